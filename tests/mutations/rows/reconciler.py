"""Rules of the reconciler, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    ABOUT_TO_ASK,
    ANOTHERS_ANSWERS,
    ANSWERS_OF_BEFORE,
    CANCELLING,
    IN_A_PASS,
    LATE_CALLBACKS,
    LATE_LOOKS,
    MIX_UPS_THAT_STAND,
    MIXED_UP,
    NEVER_TWICE,
    OWN_TASK,
    SECOND_LOOKS,
    SIMULATION,
    STATES,
    STAYING_UP,
    TOGETHER,
    UNKNOWN_PLACEMENTS,
)

ADOPTION = "app/reconciler/adopting.py"
ANSWERS = "app/reconciler/answers.py"
CANARIES = "app/reconciler/canaries.py"
CONFIRMING = "app/reconciler/confirming.py"
DECIDING = "app/states/deciding.py"
JUDGING = "app/reconciler/judging.py"
LATE_LOOKS_FILE = "app/reconciler/late_looks.py"
VAIN_CALLBACKS = "app/reconciler/vain_callbacks.py"
EVIDENCE = "app/reconciler/evidence.py"
INTENTS = "app/reconciler/intents.py"
KEEPING = "app/reconciler/keeping.py"
LOADED = "app/reconciler/loaded.py"
LOOKING_UP = "app/reconciler/looking_up.py"
LOOK_ALIKES = "app/reconciler/look_alikes.py"
NAMES = "app/orders/names.py"
NOT_FOUND = "app/reconciler/not_found.py"
OBSERVING = "app/reconciler/observing.py"
PLACING = "app/reconciler/placing.py"
PROGRESS = "app/reconciler/progress.py"
TURNS = "app/reconciler/turns.py"
WINDOW = "app/reconciler/window.py"
WRITING = "app/reconciler/writing.py"

MUTATIONS = (
    Mutation(
        "age is counted from the last attempt",
        WINDOW,
        "first = next(iter(attempts), None)",
        "first = next(iter(tuple(attempts)[::-1]), None)",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "the window is told by our clock",
        INTENTS,
        "cloudpress_sent_at=this.dependencies.provider_clock.at(tx.began_at_uptime),",
        "cloudpress_sent_at=tx.now,",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "an age is believed that our own orders contradict",
        LOOKING_UP,
        "window = self._window if progress.understands_ages else Window()",
        "window = self._window",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "an old order is taken for ours by its name where no age is proven",
        LOOKING_UP,
        "details is not None and self._is_told_around(details, progress)",
        "details is not None and (not progress.understands_ages or self._is_told_around(details, progress))",
        (NEVER_TWICE,),
    ),
    Mutation(
        "an order whose age is not told is taken for ours by its name",
        EVIDENCE,
        "    if details.value.created_at is None or not is_young_enough(order, sent, details):\n",
        "    if details.value.created_at is None:\n        return True\n"
        "    if not is_young_enough(order, sent, details):\n",
        (NEVER_TWICE,),
    ),
    Mutation(
        "an order that is told as younger than any attempt is taken for ours by its name",
        EVIDENCE,
        "date - details.value.created_at >= since - sending - CLOCK_TOLERANCE",
        "bool(sending)",
        (NEVER_TWICE,),
    ),
    Mutation(
        "what an operator overruled lets an answer be believed",
        EVIDENCE,
        "last.outcome is None or self.called_back:",
        "last.outcome is None or self.called_back_since:",
        (NEVER_TWICE,),
    ),
    Mutation(
        "an order that another machine sent is as old as our clock shows",
        EVIDENCE,
        "        since = min(sent.now.spans_since(first, date))\n",
        "        since = sent.now.since(first)\n",
        (NEVER_TWICE,),
    ),
    Mutation(
        "the grace is counted by the database's clock",
        EVIDENCE,
        "            return uptime - last.sent_uptime\n",
        "            return (self.now.wall - last.sent_at).total_seconds()\n",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "orders that the list leaves out prove as much",
        CANARIES,
        "if not all(canary.is_listed for canary in found):",
        "if False:",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "no order from before is needed to prove a list",
        CANARIES,
        "if not any(canary.is_earlier for canary in found):",
        "if False:",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "no order from after is needed to prove a list",
        CANARIES,
        "if not any(canary.is_later for canary in found):",
        "if False:",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "a short page is the last",
        PROGRESS,
        "        if not page:\n            self.page = None\n",
        "        if len(page) < 100:\n            self.page = None\n",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "what a list once showed is forgotten",
        PROGRESS,
        "self.unseen = [*self.candidates, *self.suspects, *self.unseen]",
        "self.unseen = []",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "what has another name is no suspect",
        LOOKING_UP,
        "return self._by_name and tidying.excludes(self._pass.order.site_name, name)",
        "return tidying.excludes(self._pass.order.site_name, name)",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "what was there before is a suspect",
        LOOKING_UP,
        "if first is None or first.strangers_before is None:",
        "if True:",
        (NEVER_TWICE,),
    ),
    Mutation(
        "names are compared as letters alone",
        NAMES,
        "return self.is_known and all(_done(steps, sent) == told for steps in self.explanations)",
        "return key_of(sent) == key_of(told)",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "what the tidying makes alike is no look-alike",
        LOOK_ALIKES,
        "return any(not name or tidying.confuses(name, order.site_name) for name in names)",
        "return any(name == order.site_name for name in names)",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "nobody looks once more before an order is sent again",
        INTENTS,
        "_is_left_to_people(this, order) or await _has_to_look_again(this, held, earlier)",
        "_is_left_to_people(this, order)",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "an order that could not be sent for a day is sent all the same",
        INTENTS,
        "if is_overdue(order, tx.now):",
        "if False:",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "a list that leaves something out is good enough to adopt by",
        CONFIRMING,
        "MISTOLD = frozenset({Doubt.ORDERS_MISSING, Doubt.ORDERS_DIFFER})",
        "MISTOLD = frozenset({Doubt.ORDERS_DIFFER})",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "a list that tells otherwise what is known is good enough to adopt by",
        CONFIRMING,
        "MISTOLD = frozenset({Doubt.ORDERS_MISSING, Doubt.ORDERS_DIFFER})",
        "MISTOLD = frozenset({Doubt.ORDERS_MISSING})",
        (NEVER_TWICE,),
    ),
    Mutation(
        "what an operator rules out meanwhile is adopted by a look-up",
        ADOPTION,
        "found in {*ruled_out(order), *progress.ruled_out}",
        "found in progress.ruled_out",
        (NEVER_TWICE,),
    ),
    Mutation(
        "whoever gives an order up is told of nothing that he had not seen",
        DECIDING,
        "return Decision(FAILED, Wait.TURN, problem=problem, late_look=observation.was_sent)",
        "return Decision(FAILED, Wait.NOTHING, problem=problem, late_look=observation.was_sent)",
        (NEVER_TWICE, STATES),
    ),
    Mutation(
        "the tasks of an order that was held by mistake are asked for",
        OBSERVING,
        "this.known.task_ids if this.order.cloudpress_order_id == cloudpress_order_id else frozenset()",
        "this.known.task_ids",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "the intent is not committed, nor is anything else that passes write",
        WRITING,
        "            return [await _written(tx, loaded, step, missing) for step in steps]\n",
        "            results = [await _written(tx, loaded, step, missing) for step in steps]\n"
        "            tx.session.expunge_all()\n"
        "            await tx.session.rollback()\n"
        "            tx.events.clear()\n"
        "            return results\n",
        (SIMULATION,),
    ),
    Mutation(
        "the intent ignores the wish to cancel",
        INTENTS,
        "    if order.cancel_requested_at is not None:\n        leases.release(",
        "    if False:\n        leases.release(",
        (CANCELLING, SIMULATION),
    ),
    Mutation(
        "a request may outlive its lease",
        PLACING,
        "min(dependencies.upstream_timeout_seconds, this.claim.seconds_left() * LEASE_MARGIN)",
        "dependencies.upstream_timeout_seconds",
        (STAYING_UP, UNKNOWN_PLACEMENTS, SIMULATION),
    ),
    Mutation(
        "an answer is written only under the lease",
        ANSWERS,
        "    await _write_placement(held, intent, posted)\n",
        "    if order.lease_token == this.claim.token:\n"
        "        await _write_placement(held, intent, posted)\n",
        (SIMULATION,),
    ),
    Mutation(
        "a late answer wakes nobody",
        ANSWERS,
        "    if order.lease_token != this.claim.token:\n        make_due(held.tx, order)\n",
        "    if order.lease_token != this.claim.token:\n",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "an answer with another's order is believed",
        ANSWERS,
        "    posted = await _unless_held_by_another(held, posted)\n",
        "",
        (SIMULATION,),
    ),
    Mutation(
        "an order that another holds is adopted",
        ADOPTION,
        "if unsure or is_dismissed or await held.loaded.is_held_by_another(order, found):",
        "if unsure or is_dismissed:",
        (SIMULATION,),
    ),
    Mutation(
        "a search that was woken is believed",
        NOT_FOUND,
        "woken=order.wakes != this.claim.wakes,",
        "woken=False,",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "an order in its late look is no look-alike",
        LOOK_ALIKES,
        "            Order.late_look_at.is_not(None),\n",
        "",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "suspects of the late look are not told",
        LATE_LOOKS_FILE,
        "        found = (*progress.candidates, *progress.suspects)\n",
        "        found = (*progress.candidates,)\n",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "tasks and site of an order that is replaced are kept",
        "app/orders/forgetting.py",
        "    for table in (Task, Site):\n",
        "    for table in ():\n",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "callbacks that contradict each other are believed",
        KEEPING,
        "return tx.now if findings.is_contradicted else later",
        "return later",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "a callback is not heard where another order has looked up what it names",
        JUDGING,
        "taken = (held - surely_held) & named.keys()",
        "taken: set[str] = set()",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "what an unread callback may name is adopted by another order",
        LOOK_ALIKES,
        "            and_(Order.cloudpress_order_id_source == LOOK_UP, _UNREAD),\n",
        "",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "a lost lease is written under all the same",
        WRITING,
        "    if step.token is not None and order.lease_token != step.token:\n",
        "    if False:\n",
        (TOGETHER, SIMULATION),
    ),
    Mutation(
        "a locked order is waited for by its neighbours",
        LOADED,
        "lock = _LOCK if len(self._ids) == 1 else _LOCK_FREE",
        "lock = _LOCK",
        (TOGETHER,),
    ),
    Mutation(
        "an order that is locked is given up",
        WRITING,
        "missing = None if len(order_ids) == 1 or self._db.is_sqlite else LATER",
        "missing = None",
        (TOGETHER,),
    ),
    Mutation(
        "two of one batch come to hold one CloudPress order",
        LOADED,
        "            self._holders[order.account_id, order.cloudpress_order_id] = order.id\n",
        "            pass\n",
        (TOGETHER,),
    ),
    Mutation(
        "two of one batch come to have one site",
        LOADED,
        "            self._site_holders[site_id].add(order.id)\n",
        "            pass\n",
        (TOGETHER,),
    ),
    Mutation(
        "what a failing step has found is kept for the next try",
        WRITING,
        "step.findings.copy()",
        "step.findings",
        (TOGETHER,),
    ),
    Mutation(
        "more of an account ask than may",
        TURNS,
        "self.turns = asyncio.Semaphore(requests)",
        "self.turns = asyncio.Semaphore(9 * requests)",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "more intents are written ahead however slow CloudPress is",
        TURNS,
        "return int(min(WAIT_SECONDS * self._most / slower, MOST_IN_LINE * self._most))",
        "return MOST_IN_LINE * self._most",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "what is cut off before its request may have been sent",
        "app/reconciler/placing.py",
        "    except asyncio.CancelledError:\n"
        "        await asyncio.shield(record_end(this, intent, _not_sent(intent, CUT_OFF)))\n",
        "    except asyncio.CancelledError:\n",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "an order that may have landed is intended ahead",
        "app/reconciler/intents.py",
        "if is_ahead and any(attempt.outcome != PostOutcome.NOT_SENT for attempt in earlier):",
        "if False:",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "what a machine slept through counts as no wait",
        TURNS,
        "if uptime() - since > patience_seconds:",
        "if False:",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "what is intended waits for its turn for as long as it takes",
        "app/reconciler/placing.py",
        "turn.take(MOST_WAIT_SECONDS, ",
        "turn.take(9999, ",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "quick reads make slow posts quick",
        TURNS,
        "slower = max(self._post_seconds, self._read_seconds or 0.0, 1e-6)",
        "slower = max(self._read_seconds or self._post_seconds, 1e-6)",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "what waited in vain does not count as slow",
        TURNS,
        "self._post_seconds = max(self._post_seconds or 0.0, 2 * WAIT_SECONDS * self._most)",
        "pass",
        (ABOUT_TO_ASK,),
    ),
    Mutation(
        "an answer is believed against the order's own callback",
        JUDGING,
        "    found = ({*called_back.possible, *called_back.suspects} & in_doubt) | (before & surely_held)\n",
        "    found: set[str] = set()\n",
        (ANOTHERS_ANSWERS,),
    ),
    Mutation(
        "a lie outweighs the order's own callback",
        JUDGING,
        "    if own is None or is_own_called_back(this, called_back):\n",
        "    if own is None:\n",
        (MIXED_UP,),
    ),
    Mutation(
        "what may be another's is asked for and told all the same",
        "app/reconciler/choosing.py",
        "    is_anothers = rechecked.mixed_up or ",
        "    is_anothers = ",
        (MIXED_UP,),
    ),
    Mutation(
        "what a release before has told something else over is mixed up no more",
        JUDGING,
        "before = set(order.suspected_duplicates or ()) if sent.speaking else set()",
        "before: set[str] = set()",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "what nobody holds is not mixed up",
        JUDGING,
        "        found |= {*called_back.possible, *(before if not told else ())}\n",
        "        pass\n",
        (ANOTHERS_ANSWERS,),
    ),
    Mutation(
        "what does not agree by name is not mixed up",
        JUDGING,
        "({*called_back.possible, *called_back.suspects} & in_doubt)",
        "({*called_back.possible} & in_doubt)",
        (ANOTHERS_ANSWERS,),
    ),
    Mutation(
        "a task that its own callback named may be another's",
        "app/reconciler/observing.py",
        " or self._has_called_back(task_id)",
        "",
        (OWN_TASK,),
    ),
    Mutation(
        "a callback without a task says nothing",
        VAIN_CALLBACKS,
        "    return sent.names_no_task or bool(nowhere)",
        "    return bool(nowhere)",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "a callback that leads to another's order says nothing",
        VAIN_CALLBACKS,
        "    return sent.names_no_task or bool(nowhere)",
        "    return sent.names_no_task",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "what a cache tells with an old `Date` is young",
        "app/reconciler/passes.py",
        "            answer = replace(answer, date=clock.heeded(answer.date, uptime))\n",
        "",
        (ANSWERS_OF_BEFORE,),
    ),
    Mutation(
        "a late look counts whose findings were forgotten",
        "app/reconciler/findings.py",
        "        self.late_look_done = False  # what",
        "        pass  # what",
        (IN_A_PASS,),
    ),
    Mutation(
        "an order's own id in other letters is its double",
        "app/reconciler/late_looks.py",
        "{spelt_as(own, order_id) for order_id in found}",
        "{*found}",
        (LATE_LOOKS,),
    ),
)
