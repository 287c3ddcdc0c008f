"""Rules of how requests are taken in and answered, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import AT_ONCE, FAIRNESS, PARTING, PLACES, PROTOCOL

PROTOCOL_FILE = "app/server/protocol.py"
EXCHANGE = "app/server/exchange.py"

MUTATIONS = (
    Mutation(
        "a server that ends closes kept connections on which a request is on its way",
        "app/server/fair.py",
        "until = time.monotonic() + self._parting_seconds",
        "until = time.monotonic()",
        (PARTING,),
    ),
    Mutation(
        "a server that ends resets whom the kernel alone has taken in",
        "app/server/fair.py",
        "[accepted for listener in listeners for accepted in _accept_all(listener)]",
        "list[socket.socket]()",
        (PARTING,),
    ),
    Mutation(
        "a server that ends asks for another request on a connection",
        EXCHANGE,
        " and not self.connection.is_last",
        "",
        (PARTING,),
    ),
    Mutation(
        "what is known at once is answered before everybody else",
        PROTOCOL_FILE,
        "self.loop.call_soon(exchange.answer, app)",
        "exchange.answer(app)",
        (AT_ONCE,),
    ),
    Mutation(
        "an answer that is known at once may have any length",
        EXCHANGE,
        "if self._left != len(body):",
        "if False:",
        (AT_ONCE,),
    ),
    Mutation(
        "the body of a request that asks for an upgrade is another request",
        PROTOCOL_FILE,
        "if self._skipped_body and not self._parse_skipped_body():",
        "if False:",
        (PROTOCOL,),
    ),
    Mutation(
        "what follows a request that asks for an upgrade is fed with it once more",
        PROTOCOL_FILE,
        "self._feed(data[begin : begin + SLICE_BYTES])",
        "self._feed(data[begin : begin + SLICE_BYTES] if len(data) > SLICE_BYTES else data)",
        (PROTOCOL,),
    ),
    Mutation(
        "wrong keys that are held back take the places of right ones",
        "app/api/auth.py",
        "with offered(scope):",
        "if True:",
        (PLACES,),
    ),
    Mutation(
        "each key takes half of all places, however many keys there are",
        "app/api/middleware/places.py",
        "lasting_places(places) - (self._open.total() - self._open[identity])",
        "lasting_places(places)",
        (PLACES,),
    ),
    Mutation(
        "who takes long to send a body takes the places of all others",
        "app/server/crowd.py",
        "self._heads, self._bodies)\n            oldest",
        "self._heads)\n            oldest",
        (PLACES,),
    ),
    Mutation(
        "who was held back once is cut off while it is answered",
        "app/server/crowd.py",
        "self._offered.end(connection)",
        "pass",
        (FAIRNESS,),
    ),
    Mutation(
        "one key may have any number of streams open",
        "app/api/sse.py",
        "if not is_granted:",
        "if False:",
        (PLACES,),
    ),
    Mutation(
        "any number of requests of one key may wait",
        "app/api/waiting.py",
        "(seconds if may_wait else 0)",
        "seconds",
        (PLACES,),
    ),
)
