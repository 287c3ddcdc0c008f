"""Rules of keys that end while something is asked by them, and of those that were replaced, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FORMER_KEYS, KEYS, LATE_BODIES

MUTATIONS = (
    Mutation(
        "a body that ends after its key is taken",
        "app/api/middleware/late_bodies.py",
        "            if is_last and admission is not None:\n",
        "            if False and is_last and admission is not None:\n",
        (LATE_BODIES,),
    ),
    Mutation(
        "the key of a request that has come whole is looked at twice",
        "app/api/application.py",
        "    app.add_middleware(BodyLimit)\n    app.add_middleware(LateBodies)\n",
        "    app.add_middleware(LateBodies)\n    app.add_middleware(BodyLimit)\n",
        (LATE_BODIES,),
    ),
    Mutation(
        "who is signed out while a form is sent is shown an error",
        "app/dashboard/page.py",
        "        return _ended(desk, request) if problem.status == 401 else _told(desk, request, problem)\n",
        "        return _told(desk, request, problem)\n",
        (LATE_BODIES,),
    ),
    Mutation(
        "a key that ends while CloudPress is asked about a token stores it",
        "app/api/routes/accounts.py",
        "        await admission.check()  # the key may have ended while CloudPress was asked\n",
        "",
        (LATE_BODIES,),
    ),
    Mutation(
        "a key that ends while CloudPress is asked about an order has it adopted",
        "app/api/routes/orders/operating.py",
        "        await admission.check()  # the key may have ended while CloudPress was asked\n",
        "",
        (LATE_BODIES,),
    ),
    Mutation(
        "a key that ended since it was let in gives and ends keys",
        "app/keys/changing.py",
        "    if isinstance(by, Grant) and by.key_id is not None:\n",
        "    if False and isinstance(by, Grant) and by.key_id is not None:\n",
        (KEYS,),
    ),
    Mutation(
        "a key gives and ends keys while it is being ended",
        "app/keys/changing.py",
        ".order_by(ApiKey.id).with_for_update()\n",
        ".order_by(ApiKey.id)\n",
        (KEYS,),
    ),
    Mutation(
        "a key that ends while its use is noted is let in",
        "app/keys/authentication.py",
        "        let_in(stored, digest, tx.now)  # whoever",
        "        # whoever",
        (KEYS,),
    ),
    Mutation(
        "a former key gives more time than its grace",
        "app/keys/authentication.py",
        "        until,\n        stored.id,\n",
        "        stored.expires_at,\n        stored.id,\n",
        (FORMER_KEYS,),
    ),
    Mutation(
        "a former key ends the one that replaced it where both end together",
        "app/keys/grants.py",
        "        return not was_replaced and self.gives(key)\n",
        "        return self.gives(key)\n",
        (FORMER_KEYS,),
    ),
    Mutation(
        "what a former key gives lasts as long as what replaced it, and ends that",
        "app/keys/authentication.py",
        "stored.expires_at and stored.expires_at - timedelta.resolution]",
        "stored.expires_at]",
        (FORMER_KEYS,),
    ),
    Mutation(
        "a former key that sends its rotation again is not told that it was done",
        "app/keys/grants.py",
        "        return key.id == self.key_id or self.gives(key)\n",
        "        return self.gives(key)\n",
        (FORMER_KEYS,),
    ),
)
