"""The proofs that have to notice when a rule is broken. All of them run in `make test`, as they are here."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.test_simulation import SQLITE_SEEDS

SEED = re.compile(r"^seed (?P<place>\d+): (?P<what>.*)$", re.MULTILINE)
TEST = re.compile(r"^(?:FAILED|ERROR) (?P<place>tests/.+?)(?: - (?P<what>.*))?$", re.MULTILINE)
PYTEST = ("pytest", "-n0", "-q", "-x", "-p", "no:cacheprovider")
LIMIT_SECONDS = 3600.0


@dataclass(frozen=True)
class Failure:
    """How a proof failed: at which seed or test, and what it said."""

    place: str
    what: str


@dataclass(frozen=True)
class Proof:
    """Something that `python -m` runs, and that ends with status 1 where it fails."""

    name: str
    command: tuple[str, ...]
    one: tuple[str, ...]
    """The same for a single seed or test, whose name is added."""
    told: re.Pattern[str]
    """What it says of a failure."""

    def fails(self, folder: Path, place: str | None = None) -> Failure | None:
        """Run the proof, or a single seed or test of it, on the tree in a folder; return its first failure.

        Raises:
            RuntimeError: it ended otherwise than by passing or failing.
        """
        command = self.command if place is None else (*self.one, place)
        # `-m` puts the folder first, so that the copy is what is imported, not what is installed.
        try:
            ended = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", *command],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.name} does not end") from None
        if ended.returncode == 0:
            return None
        told = self.told.search(ended.stdout)
        if ended.returncode != 1 or told is None:
            last = (ended.stderr or ended.stdout).strip()[-300:]
            raise RuntimeError(f"{self.name} ended with {ended.returncode}: {last}")
        return Failure(told["place"], told["what"] or "")


def by_pytest(name: str, *arguments: str) -> Proof:
    """Return a proof that pytest runs."""
    return Proof(name, (*PYTEST, *arguments), PYTEST, TEST)


def by_simulation(name: str, seeds: range, *arguments: str) -> Proof:
    """Return a proof by simulation."""
    simulation = ("tests.simulation", "--processes", "1", *arguments)
    command = (*simulation, "--until-failed", "--seeds", str(len(seeds)), "--first", str(seeds.start))
    return Proof(name, command, (*simulation, "--seeds", "1", "--first"), SEED)


SIMULATION = by_simulation("simulation", SQLITE_SEEDS, "--habits")
STATES = by_pytest("states", "tests/test_states.py", "tests/test_states_sequences.py")
LEASES = by_pytest("leases", "tests/queue/test_leases.py")
NEXT_DUE = by_pytest("next due", "tests/queue/test_next_due.py")
WORKER = by_pytest("worker", "tests/queue/test_worker.py")
SECOND_LOOKS = by_pytest("second looks", "tests/reconciler/test_second_looks.py")
FULL_ACCOUNTS = by_pytest("full accounts", "tests/reconciler/test_full_accounts.py")
NEVER_TWICE = by_pytest(
    "never twice",
    "tests/reconciler/test_never_twice.py",
    "tests/reconciler/test_worlds.py",
    "tests/reconciler/test_attacks.py",
    "-k",
    "sqlite",
)
ANOTHERS_ANSWERS = by_pytest("another's answers", "tests/reconciler/test_anothers_answers.py", "-k", "sqlite")
LATE_NAMES = by_pytest("late names", "tests/reconciler/test_names_that_come_late.py", "-k", "sqlite")
CALLBACK_HINTS = by_pytest("callback hints", "tests/reconciler/test_callback_hints.py", "-k", "sqlite")
UNSEEN_NEWS = by_pytest("unseen news", "tests/reconciler/test_unseen_news.py", "-k", "sqlite")
WORDS_THAT_WAIT = by_pytest("words that wait", "tests/reconciler/test_words_that_wait.py", "-k", "sqlite")
TOLD_ANEW = by_pytest("told anew", "tests/reconciler/test_told_anew.py", "-k", "sqlite")
ANSWERS_OF_BEFORE = by_pytest(
    "answers of before", "tests/reconciler/test_answers_of_before.py", "-k", "sqlite"
)
MIXED_UP = by_pytest("mixed-up answers", "tests/reconciler/test_mixed_up_answers.py", "-k", "sqlite")
MIX_UPS_THAT_STAND = by_pytest(
    "mix-ups that stand", "tests/reconciler/test_mix_ups_that_stand.py", "-k", "sqlite"
)
LATE_CALLBACKS = by_pytest(
    "callbacks after the end", "tests/reconciler/test_called_back_after_the_end.py", "-k", "sqlite"
)
FINAL_WITHOUT_A_TOKEN = by_pytest(
    "final orders without a token", "tests/reconciler/test_final_without_a_token.py", "-k", "sqlite"
)
SHOWN = by_pytest("what was shown", "tests/reconciler/test_what_was_shown.py", "-k", "sqlite")
UNKNOWN_PLACEMENTS = by_pytest("unknown placements", "tests/reconciler/test_unknown_placements.py")
ABOUT_TO_ASK = by_pytest("how many are about to ask", "tests/reconciler/test_turns.py")
TOGETHER = by_pytest("what passes write together", "tests/reconciler/test_writing.py")
CANCELLING = by_pytest("cancelling", "tests/reconciler/test_cancelling.py")
ASKED_TO_CANCEL = by_pytest("asked to cancel", "tests/reconciler/test_asked_to_cancel.py", "-k", "sqlite")
IN_A_PASS = by_pytest("replaced in a pass", "tests/reconciler/test_replaced_in_a_pass.py", "-k", "sqlite")
REPLACED_WORDS = by_pytest(
    "words about what was replaced",
    "tests/reconciler/test_words_about_what_was_replaced.py",
    "-k",
    "sqlite",
)
REPLACED = by_pytest("had and replaced", "tests/reconciler/test_had_and_replaced.py", "-k", "sqlite")
STAYING_UP = by_pytest("staying up", "tests/reconciler/test_staying_up.py")
FAULTS = by_pytest("fault matrix", "tests/reconciler/faults", "-k", "test_placing and sqlite")
DELIVERER = by_pytest("deliverer", "tests/webhooks/test_deliverer.py", "tests/webhooks/test_outcomes.py")
EVENT_ORDER = by_pytest("event order", "tests/events/test_event_order.py")
GROUP_COMMIT = by_pytest("group commit", "tests/queue/test_group_commit.py")
FOREIGN_LINKS = by_pytest("foreign links", "tests/reconciler/test_foreign_links.py", "-k", "sqlite")
ORPHANS = by_pytest("orphans", "tests/reconciler/test_orphans.py", "-k", "sqlite")
LOGS = by_pytest("logs", "tests/telemetry/test_logs.py")
OUTAGES = by_pytest("outages", "tests/db/test_outages.py")
FILES = by_pytest("files", "tests/db/test_files.py")
TEXTS = by_pytest("texts", "tests/db/test_texts.py")
FLAPPING = by_pytest("flapping", "tests/reconciler/test_flapping.py", "-k", "sqlite")
TOLD = by_pytest(
    "told",
    "tests/reconciler/test_told_of_callbacks.py",
    "tests/reconciler/test_attention_that_is_over.py",
    "tests/reconciler/test_what_applications_hear.py",
    "-k",
    "sqlite",
)
WORDS = by_pytest(
    "words",
    "tests/reconciler/test_words.py",
    "tests/reconciler/test_answers_outrank_names.py",
    "tests/reconciler/test_called_back_often.py",
    "tests/reconciler/test_called_back_for_two.py",
    "-k",
    "sqlite",
)
SEEN_BEFORE = by_pytest(
    "seen before",
    "tests/reconciler/test_doubles_seen_before.py",
    "tests/reconciler/test_restored_orders.py",
    "tests/reconciler/test_named_anew.py",
    "tests/reconciler/test_cancelled_and_replaced.py",
    "tests/reconciler/test_look_alikes.py",
    "-k",
    "sqlite",
)
HANDED_OVER = by_pytest(
    "handed over",
    "tests/reconciler/test_handed_over.py",
    "tests/reconciler/test_after_a_hand_over.py",
    "-k",
    "sqlite",
)
DISMISSED = by_pytest("dismissed", "tests/reconciler/test_dismissed_and_named.py", "-k", "sqlite")
TOLD_TO_PEOPLE = by_pytest("told to people", "tests/reconciler/test_what_people_are_told.py", "-k", "sqlite")
CLOCKS = by_pytest("clocks that step", "tests/reconciler/test_clocks_that_step.py", "-k", "sqlite")
DAYS = by_pytest("days that are counted", "tests/reconciler/test_days_that_are_counted.py", "-k", "sqlite")
ADOPTING = by_pytest("adopting", "tests/reconciler/test_adopting.py", "-k", "sqlite")
PROMISED = by_pytest("promised", "tests/reconciler/test_promised.py", "-k", "sqlite")
RESOLVABLE = by_pytest(
    "resolvable", "tests/reconciler/test_resolvable.py", "tests/reconciler/test_given_up.py", "-k", "sqlite"
)
TOLD_ONCE = by_pytest("told once", "tests/reconciler/test_told_once.py", "-k", "sqlite")
SILENCE = by_pytest("silence", "tests/reconciler/test_silence.py", "-k", "sqlite")
LATE_LOOKS = by_pytest(
    "late looks",
    "tests/reconciler/test_late_looks.py",
    "tests/reconciler/test_called_back_while_looks_are_rare.py",
    "-k",
    "sqlite",
)
PROTOCOL = by_pytest("protocol", "tests/server/test_protocol.py")
FAIRNESS = by_pytest("fairness", "tests/server/test_fairness.py")
PLACES = by_pytest("places", "tests/server/test_places.py", "-k", "sqlite")
AT_ONCE = by_pytest("answered at once", "tests/server/test_answered_at_once.py")
CHANGING = by_pytest("changing", "tests/orders/test_changing.py", "-k", "sqlite")
EXCHANGES = by_pytest("exchanges", "tests/network/test_http1.py", "tests/network/test_exchanges.py")
TRANSPORT = by_pytest(
    "transport", "tests/cloudpress/test_connections.py", "tests/cloudpress/test_transport.py"
)
DASHBOARD = by_pytest(
    "dashboard",
    "tests/dashboard/test_rights.py",
    "tests/dashboard/test_changes.py",
    "tests/dashboard/test_operators.py",
    "-k",
    "sqlite",
)
CURL_LINES = by_pytest("curl lines", "tests/dashboard/test_curl.py", "-k", "sqlite")
PROGRESS_PAGE = by_pytest("progress page", "tests/dashboard/test_progress.py", "-k", "sqlite")
SUSPECTING = by_pytest("suspecting", "tests/api/routes/orders/test_suspecting.py", "-k", "sqlite")
ABOUT_TO_TELL = by_pytest("about to tell", "tests/reconciler/test_callbacks_about_to_tell.py", "-k", "sqlite")
THAT_WAITED = by_pytest("that waited", "tests/reconciler/test_callbacks_that_waited.py", "-k", "sqlite")
NOT_READ = by_pytest("not read", "tests/reconciler/test_callbacks_that_no_pass_read.py", "-k", "sqlite")
ASKED_BEFORE = by_pytest("asked before", "tests/reconciler/test_asked_before_the_news.py", "-k", "sqlite")
ABOUT_ORPHANS = by_pytest("about orphans", "tests/reconciler/test_words_about_orphans.py", "-k", "sqlite")
ONE_BATCH = by_pytest("one batch", "tests/reconciler/test_answers_in_one_batch.py", "-k", "sqlite")
FAILED_AND_MIXED_UP = by_pytest(
    "failed and mixed up", "tests/reconciler/test_failed_and_mixed_up.py", "-k", "sqlite"
)
HANGING = by_pytest("hanging", "tests/reconciler/test_hanging_tasks.py", "-k", "sqlite")
TOLD_FALSELY = by_pytest("told falsely", "tests/reconciler/test_told_falsely.py", "-k", "sqlite")
OF_BEFORE_A_PASS = by_pytest(
    "of before a pass", "tests/reconciler/test_answers_of_before_a_pass.py", "-k", "sqlite"
)
WORDS_AND_TIME = by_pytest("words and time", "tests/reconciler/test_words_and_time.py", "-k", "sqlite")
OVERTAKEN = by_pytest("overtaken", "tests/reconciler/test_attention_overtaken.py", "-k", "sqlite")
OTHER_RELEASES = by_pytest(
    "other releases", "tests/reconciler/test_other_releases.py", "-k", "sqlite or not database_url"
)
GONE = by_pytest(
    "gone", "tests/reconciler/test_cancelling.py", "-k", "sqlite and (404 or gone or shown or missing)"
)
LEFT_ALONE = by_pytest("left alone", "tests/reconciler/test_left_alone.py", "-k", "sqlite")
HINTS_UNREAD = by_pytest("hints unread", "tests/reconciler/test_hints_unread.py", "-k", "sqlite")
MACHINES = by_pytest("machines in turn", "tests/reconciler/test_machines_in_turn.py", "-k", "sqlite")
CLOCK_AHEAD = by_pytest("clock ahead", "tests/reconciler/test_clock_ahead.py", "-k", "sqlite")
ONE_FAILURE = by_pytest("one failure", "tests/reconciler/test_one_failure.py", "-k", "sqlite")
IN_THE_MIDST = by_pytest("in the midst", "tests/reconciler/test_in_the_midst.py", "-k", "sqlite")
NAMED_AND_HELD = by_pytest(
    "named and held by another", "tests/reconciler/test_named_and_held_by_another.py", "-k", "sqlite"
)
CLOCK_VOTES = by_pytest("clock votes", "tests/reconciler/test_clock_votes.py", "-k", "not postgresql")
WORDS_AND_HOLDING = by_pytest(
    "words and holding", "tests/reconciler/test_words_and_holding.py", "-k", "sqlite"
)
NEW_MACHINES = by_pytest("new machines", "tests/reconciler/test_on_new_machines.py", "-k", "sqlite")
RESTORED_AND_LOOKED_AT = by_pytest(
    "restored and looked at", "tests/reconciler/test_restored_and_looked_at.py", "-k", "sqlite"
)
EVENTS_AND_KEYS = by_pytest("events and keys", "tests/api/routes/test_events_and_keys.py", "-k", "sqlite")
NAMED_TWICE = by_pytest("named twice", "tests/api/routes/test_named_twice.py", "-k", "sqlite")
GOES_WRONG = by_pytest("what goes wrong", "tests/cli/test_what_goes_wrong.py")
GIVEN = by_pytest("what is given", "tests/cli/test_given.py")
CLIENT = by_pytest("client of the commands", "tests/cli/test_client.py", "-k", "address or another_program")
ORIGINS = by_pytest("origins", "tests/test_config.py", "-k", "origin")
PROTECTION = by_pytest("protection", "tests/api/test_protection.py", "-k", "sqlite")
HEADS = by_pytest("heads", "tests/api/test_head.py", "-k", "sqlite")
SIGNING_IN = by_pytest("signing in", "tests/dashboard/test_signing_in.py", "-k", "sqlite")
UNDER_PATH = by_pytest("under a path", "tests/api/test_under_path.py", "-k", "sqlite")
LASTING = by_pytest("lasting", "tests/db/test_lasting.py")
CONTEXTS = by_pytest("contexts", "tests/server/test_contexts.py")
SHARING = by_pytest("sharing", "tests/db/test_sharing.py", "-k", "sqlite")
FILTERS = by_pytest("filters", "tests/db/test_filters.py", "-k", "sqlite")
RARE_EVENTS = by_pytest("rare events", "tests/api/routes/test_rare_events.py", "-k", "sqlite")
MISSED = by_pytest("what was missed", "tests/webhooks/test_missed.py", "-k", "sqlite")
FAIR_SLOTS = by_pytest("fairness of slots", "tests/webhooks/test_fairness_of_slots.py", "-k", "sqlite")
NAMED_IN_THE_MIDST = by_pytest(
    "named in the midst",
    "tests/reconciler/test_answered_in_the_midst.py",
    "tests/reconciler/test_cancelled_in_the_midst.py",
    "tests/reconciler/test_doubles_in_the_midst.py",
    "tests/reconciler/test_held_back.py",
    "-k",
    "sqlite",
)
TAKEN_BY_NAME = by_pytest("taken by name", "tests/reconciler/test_taken_by_name.py", "-k", "sqlite")
NEVER_SHOWN = by_pytest(
    "never shown",
    "tests/reconciler/test_never_shown.py",
    "tests/reconciler/test_orphans_that_are_never_shown.py",
    "-k",
    "sqlite",
)
ENDED_AND_SAID_AGAIN = by_pytest(
    "ended and said again",
    "tests/reconciler/test_called_back_after_the_end.py",
    "tests/reconciler/test_words_that_wait.py",
    "-k",
    "sqlite",
)
OWN_TASK = by_pytest("own task", "tests/reconciler/test_answered_with_the_own_task.py", "-k", "sqlite")
LATE_OWN_TASK = by_pytest(
    "late own task", "tests/reconciler/test_answered_late_with_the_own_task.py", "-k", "sqlite"
)
OWN_CALLBACK = by_pytest(
    "own callback", "tests/reconciler/test_own_callbacks_outrank_answers.py", "-k", "sqlite"
)
ENDED_AS_ANOTHERS = by_pytest(
    "ended as another's", "tests/reconciler/test_ended_as_anothers.py", "-k", "sqlite"
)
REFUTED = by_pytest("refuted", "tests/reconciler/test_what_a_task_refutes.py", "-k", "sqlite")
ANSWERED_TO_BOTH = by_pytest("answered to both", "tests/reconciler/test_answered_to_both.py", "-k", "sqlite")
WAITED_FOR = by_pytest("waited for", "tests/reconciler/test_what_is_waited_for.py", "-k", "sqlite")
CLAIMED = by_pytest(
    "claimed by others",
    "tests/reconciler/test_callbacks_that_claim.py",
    "tests/reconciler/test_answered_before_it_is_sent_again.py",
    "tests/reconciler/test_dismissed_of_another.py",
    "tests/reconciler/test_mixed_up_explains_nothing.py",
    "tests/reconciler/test_called_back_for_what_has_a_name.py",
    "tests/reconciler/test_words_about_names.py",
    "-k",
    "sqlite",
)
