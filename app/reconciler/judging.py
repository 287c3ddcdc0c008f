"""Which of the CloudPress orders that are named is an order's own, which are duplicates, which another's."""

from app.orders.claims import claimed_by_others, held_in_doubt
from app.orders.mix_ups import found_before
from app.reconciler.callback_hints import Named
from app.reconciler.disowning import settled_by_operator
from app.reconciler.evidence import ANSWER, CALLBACK, LOOK_UP, Sent, held_among
from app.reconciler.passes import Pass
from app.states import FINAL


def is_own_called_back(this: Pass, called_back: Named) -> bool:
    """Tell whether a callback has named what the order holds."""
    return this.order.cloudpress_order_id in called_back.order_ids or any(
        it.task_id in this.known.own_task_ids for it in this.known.callbacks
    )


async def judge(this: Pass, sent: Sent, called_back: Named, named: dict[str, str]) -> set[str]:
    """Find which of the named CloudPress orders replaces the one that is held, and which are duplicates.

    Returns those with which the one that is held may be mixed up, or itself where it may be another's.
    (`_not_its_own`, `claimed_by_others`)
    """
    order, findings = this.order, this.findings
    before = set(order.suspected_duplicates or ())
    asked = {*named, *findings.duplicates, *called_back.suspects, *before} - {order.cloudpress_order_id}
    async with this.dependencies.db.read() as session:
        held = await held_among(session, order, asked)
        in_doubt = await held_in_doubt(session, order, held)
        # What another order has by look-up alone may well be ours, which was told of it.
        surely_held = {it for it in held if in_doubt.get(it) != LOOK_UP}
        is_shared = this.known.may_be_named_for_another
        claimed = await claimed_by_others(session, order, may_be_named_for_another=is_shared)
    findings.alike = _named_alike(this, sent, called_back)
    findings.answered_to_both = frozenset(held.intersection(sent.answered_ids))
    taken = (held - surely_held) & named.keys()
    others = [order_id for order_id in named if order_id not in {*held, order.cloudpress_order_id}]
    replaces = order.cloudpress_order_id_source == LOOK_UP and order.status not in FINAL
    # That a callback has named it was read by a pass before this one, perhaps.
    own_is_named = order.cloudpress_order_id in named or findings.is_own_called_back
    settled = settled_by_operator(this)
    surer = [it for it in others if it in {*called_back.order_ids, *sent.answered_ids} and it not in settled]
    if surer and replaces and not own_is_named:
        findings.order_id, findings.order_id_source = surer[0], named[surer[0]]
        others.remove(surer[0])
        claimed = set()  # what it has no more is not asked about
    findings.duplicates |= {*others, *taken}
    findings.claimed = frozenset((held - surely_held) & {*named, *before} - settled)
    known = {*settled, *before}
    findings.is_contradicted = any(named[it] == CALLBACK and it not in known for it in (*others, *taken))
    holders = {*(held - taken), order.cloudpress_order_id or "", findings.order_id or ""}
    findings.duplicates -= {*holders, *settled}
    mixed_up = _not_its_own(this, sent, called_back, set(in_doubt), surely_held) | claimed
    findings.mixed_up = frozenset(mixed_up)
    findings.duplicates |= mixed_up
    findings.duplicates_ended = (findings.duplicates_ended | (before & surely_held)) - mixed_up
    findings.is_its_own = findings.order_id is None and order.cloudpress_order_id not in mixed_up
    if mixed_up:
        findings.hints = ()  # It is asked anew until an operator has spoken, or the own callback has come.
    return mixed_up


def _named_alike(this: Pass, sent: Sent, called_back: Named) -> frozenset[str]:
    """Return what its own callbacks name as an order by a name that is alike, where an answer may be wrong.

    Whether it is depends on what the order holds: that is told with a name that is none of its own.
    """
    is_answered_once = this.order.cloudpress_order_id_source == ANSWER and len(sent.landed) == 1
    if not (is_answered_once and sent.speaking) or is_own_called_back(this, called_back):
        return frozenset()
    return frozenset(called_back.alike) - settled_by_operator(this)


def _not_its_own(
    this: Pass, sent: Sent, called_back: Named, in_doubt: set[str], surely_held: set[str]
) -> set[str]:
    """Return the CloudPress orders that its own callbacks name, where they do not name the one that it holds.

    CloudPress may have answered with another's order. Those count that another order here holds, unless its
    own callback says that they are its own; also where something of them does not agree: nobody knows what
    CloudPress does to the names of first orders.
    Of the others only those count of which nothing differs, and where a single request was sent, so that two
    of its own are no likelier explanation. Whoever knows a callback's secret can say so too, but stops by it
    his own order alone: the other one is left as it is, for its own callback speaks for it.

    What was found so stays, whatever becomes of what the callback named, until the own callback has come or
    an operator has dismissed it. What only looked like the order beside that is a double like any other.
    """
    order = this.order
    own = order.cloudpress_order_id
    if own is None or is_own_called_back(this, called_back):
        return set()
    told = found_before(order)
    before = set(order.suspected_duplicates or ()) if sent.speaking else set()
    found = ({*called_back.possible, *called_back.suspects} & in_doubt) | (before & surely_held)
    if order.cloudpress_order_id_source == ANSWER and len(sent.landed) == 1:
        # What was asked may have been overwritten by something else that a person was told meanwhile.
        found |= {*called_back.possible, *(before if not told else ())}
    # By failing the order an operator has overruled its callbacks, and has not said whose it is.
    found |= told
    return found - settled_by_operator(this) - {own, this.findings.order_id or ""}
