"""Rules of what is answered at once, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import AT_ONCE

FILE = "app/server/protocol.py"
MAY = "self._chooses is not None and exchange.is_whole and is_last and not self._ahead"

MUTATIONS = (
    Mutation(
        "who sends many at once is answered before everybody else",
        FILE,
        MAY,
        "self._chooses is not None and exchange.is_whole",
        (AT_ONCE,),
    ),
    Mutation(
        "what has not come whole is answered at once",
        FILE,
        MAY,
        "self._chooses is not None and is_last and not self._ahead",
        (AT_ONCE,),
    ),
    Mutation(
        "an application is asked about what cannot be read",
        FILE,
        "self._exchange = self._fresh = None\n",
        "self._exchange = None\n",
        (AT_ONCE,),
    ),
)
