"""Rules of how CloudPress is asked over HTTP, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import EXCHANGES, TRANSPORT

EXCHANGING = "app/network/exchanges.py"
PARSING = "app/network/http1.py"
HEADS = "app/network/heads.py"
CONNECTIONS = "app/cloudpress/connections.py"
ASKING = "app/cloudpress/transport.py"

MUTATIONS = (
    Mutation(
        "what comes while an answer is read is not looked at",
        EXCHANGING,
        "            await wire.settle()\n        if wire.buffer:",
        "            pass\n        if wire.buffer:",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "what follows an answer is left for the next one",
        EXCHANGING,
        "        if wire.buffer:\n            answer.feed(wire.take(len(wire.buffer)))\n",
        "",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "one that sends without end takes every turn",
        EXCHANGING,
        "    if wire.buffer:\n        await asyncio.sleep(0)\n",
        "",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "a connection that broke has ended well",
        EXCHANGING,
        "if not wire.buffer and wire.error is not None:",
        "if False:",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "a connection that has ended is used once more",
        EXCHANGING,
        "return self.may_serve and not self._wire.is_readable()",
        "return self.may_serve",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "a connection is used again after what nobody asked for",
        PARSING,
        "            self.keeps_open = False\n\n    def end",
        "            pass\n\n    def end",
        (EXCHANGES, TRANSPORT),
    ),
    Mutation(
        "who cannot connect keeps his place",
        CONNECTIONS,
        "            self._leave()\n            raise",
        "            raise",
        (TRANSPORT, EXCHANGES),
    ),
    Mutation(
        "any number of idle connections is kept",
        CONNECTIONS,
        "if len(self._idle) > self._kept:",
        "if False:",
        (TRANSPORT, EXCHANGES),
    ),
    Mutation(
        "an order is sent though its time is over",
        ASKING,
        "if _seconds() - self._began_at >= self._deadline_seconds:",
        "if False:",
        (TRANSPORT, EXCHANGES),
    ),
    Mutation(
        "an answer that lies there is thrown away when its time is up",
        ASKING,
        "limit.reschedule(loop.time() + late_seconds)",
        "limit.reschedule(loop.time())",
        (TRANSPORT, EXCHANGES),
    ),
    Mutation(
        "what was sent counts as not sent",
        ASKING,
        "                self._is_sent = True\n",
        "                pass\n",
        (TRANSPORT, EXCHANGES),
    ),
    Mutation(
        "an answer may be framed in two ways",
        HEADS,
        "    if is_chunked and length is not None:",
        "    if False:",
        (EXCHANGES, TRANSPORT),
    ),
)
