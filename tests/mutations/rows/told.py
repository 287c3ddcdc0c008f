"""Rules of what persons and applications are told of an order, and of when it is looked at for it, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import CANCELLING, LATE_LOOKS, SILENCE, TOLD, TOLD_ONCE

ATTENTION = "app/states/attention.py"
DECIDING = "app/states/deciding.py"
REFUTING = "app/states/refuting.py"
LIFECYCLE = "app/orders/lifecycle_events.py"
SHOWN = "app/orders/shown.py"

MUTATIONS = (
    Mutation(
        "a callback is not told beside what may be the order",
        ATTENTION,
        "return with_callback(_may_be_it(sought), is_called_back=sought.called_back)",
        "return _may_be_it(sought)",
        (TOLD,),
    ),
    Mutation(
        "a word overrules callbacks that nobody was told of",
        SHOWN,
        "(has_unseen_news(order, tx.now) or not _tells_of_callbacks(order))",
        "has_unseen_news(order, tx.now)",
        (TOLD,),
    ),
    Mutation(
        "a word overrules callbacks that no look has seen",
        SHOWN,
        "(has_unseen_news(order, tx.now) or not _tells_of_callbacks(order))",
        "not _tells_of_callbacks(order)",
        (TOLD,),
    ),
    Mutation(
        "a payment is told anew with each address that cannot be used in between",
        LIFECYCLE,
        "before.is_payable_now(order) and await _is_payment_untold(tx, order)",
        "before.is_payable_now(order)",
        (TOLD,),
    ),
    Mutation(
        "nothing is looked into while nothing may be sent",
        "app/reconciler/choosing.py",
        "    if await has_reappeared(held):\n",
        "    if False:\n",
        (TOLD,),
    ),
    Mutation(
        "a word that is given anew after a day is the word of before",
        "app/orders/requests.py",
        '(order.resolution or {}).get("action") == action and not waits:',
        '(order.resolution or {}).get("action") == action:',
        (TOLD,),
    ),
    Mutation(
        "a double that cannot be shown hides what else there is",
        "app/reconciler/looking_up.py",
        "            explained |= set(order.suspected_duplicates or ())\n",
        "            pass\n",
        (LATE_LOOKS,),
    ),
    Mutation(
        "a callback is not told while the list cannot be read",
        DECIDING,
        "    if sought.called_back and tells_no_more and sought.word is None:\n",
        "    if False:\n",
        (TOLD,),
    ),
    Mutation(
        "an order that is found asks about its placement",
        REFUTING,
        "return order.held is not None",
        "return False",
        (TOLD,),
    ),
    Mutation(
        "a double that was cancelled is told for ever",
        REFUTING,
        "return not order.duplicates and not mixed_up_in(observation)",
        "return False",
        (TOLD,),
    ),
    Mutation(
        "a token that is stored again is asked for",
        REFUTING,
        "return order.status not in FINAL or _has_token(observation)",
        "return False",
        (TOLD,),
    ),
    Mutation(
        "where to pay is not told once it is known",
        LIFECYCLE,
        "    if before.is_payable_now(order) and await",
        "    if False and await",
        (TOLD,),
    ),
    Mutation(
        "applications do not hear of another double",
        LIFECYCLE,
        "return not self.duplicates.issuperset(order.suspected_duplicates or ())",
        "return False",
        (TOLD,),
    ),
    Mutation(
        "a person is asked between two looks",
        DECIDING,
        "(is_over and not sought.is_nowhere_but_for_time)",
        "is_over",
        (TOLD,),
    ),
    Mutation(
        "an order that is held off is tried as often as it is looked for",
        "app/reconciler/answers.py",
        "order.failures = max(order.failures, await _unsent_before(held, intent))",
        "pass",
        (TOLD,),
    ),
    Mutation(
        "another address of the same payment is news",
        "app/orders/changing.py",
        "        order.cloudpress_order_id,\n        order.error_code,\n",
        "        order.cloudpress_order_id,\n        order.payment_url,\n        order.error_code,\n",
        (TOLD,),
    ),
    Mutation(
        "a new callback leaves looks rare",
        "app/orders/waking.py",
        'quiet=case((among(Order.id, "fresh"), 0), else_=Order.quiet)',
        'quiet=case((among(Order.id, "fresh"), Order.quiet), else_=Order.quiet)',
        (LATE_LOOKS,),
    ),
    Mutation(
        "the late look goes on with a look-up from before",
        "app/reconciler/duplicates.py",
        "if progress.begun_at is not None and not late_look_at <= progress.begun_at <= sent.now.wall:",
        "if False:",
        (LATE_LOOKS,),
    ),
    Mutation(
        "where to pay is told whenever a payment is awaited anew",
        LIFECYCLE,
        'return told is None or order.payment_url not in {None, told.get("payment_url")}',
        "return True",
        (TOLD_ONCE,),
    ),
    Mutation(
        "a 404 refutes what is asked about what CloudPress links",
        DECIDING,
        "before.code is AttentionCode.FOREIGN_LINK",
        "False",
        (TOLD_ONCE,),
    ),
    Mutation(
        "a 404 refutes that an address is no page",
        DECIDING,
        "asked = _missing(order, now) or shown.attention",
        "asked = _missing(order, now)",
        (TOLD_ONCE,),
    ),
    Mutation(
        "a payment page that can be used is asked about because of a 404",
        DECIDING,
        "return before if seen.order_status is None else None",
        "return before",
        (TOLD_ONCE,),
    ),
    Mutation(
        "what may be either of two is told with each change of what it looks like",
        LIFECYCLE,
        "        if asked is not None and is_asked_already(asked, self.attention, self.detail):\n",
        "        if False:\n",
        (TOLD_ONCE,),
    ),
    Mutation(
        "another order that may be it is not told",
        ATTENTION,
        "    return all(tells_of(detail, order_id) for order_id in asked.about)\n",
        "    return True\n",
        (TOLD_ONCE,),
    ),
    Mutation(
        "a cancellation that comes to nothing is told to nobody",
        "app/states/silence.py",
        "case Seen() if observation.cancel_accepted or _lacks_site(observation):",
        "case Seen() if _lacks_site(observation):",
        (SILENCE,),
    ),
    Mutation(
        "one 404 after a yes to cancelling is the end",
        DECIDING,
        "if is_gone and None not in counted and now - since >= GONE_AFTER:",
        "if is_gone:",
        (CANCELLING,),
    ),
    Mutation(
        "a task that is missing counts as the order after a yes to cancelling",
        DECIDING,
        "counted = (order.missing_since, order.cancel_accepted_at)",
        "counted = (order.missing_since,)",
        (CANCELLING,),
    ),
    Mutation(
        "an order that was shown again after a yes to cancelling stays missing",
        DECIDING,
        "return replace(shown, wait=Wait.SETTLING, missing=is_gone)",
        "return replace(shown, wait=Wait.SETTLING, missing=True)",
        (CANCELLING,),
    ),
)
