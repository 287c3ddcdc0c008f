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


def on_sqlite(name: str, *files: str) -> Proof:
    """Return a proof that pytest runs on SQLite alone, as what is broken is none of the database's."""
    return by_pytest(name, *files, "-k", "sqlite")


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
NEVER_TWICE = on_sqlite(
    "never twice",
    "tests/reconciler/test_never_twice.py",
    "tests/reconciler/test_worlds.py",
    "tests/reconciler/test_attacks.py",
)
ANOTHERS_ANSWERS = on_sqlite("another's answers", "tests/reconciler/test_anothers_answers.py")
LATE_NAMES = on_sqlite("late names", "tests/reconciler/test_names_that_come_late.py")
CALLBACK_HINTS = on_sqlite("callback hints", "tests/reconciler/test_callback_hints.py")
UNSEEN_NEWS = on_sqlite("unseen news", "tests/reconciler/test_unseen_news.py")
WORDS_THAT_WAIT = on_sqlite("words that wait", "tests/reconciler/test_words_that_wait.py")
TOLD_ANEW = on_sqlite("told anew", "tests/reconciler/test_told_anew.py")
ANSWERS_OF_BEFORE = on_sqlite("answers of before", "tests/reconciler/test_answers_of_before.py")
MIXED_UP = on_sqlite("mixed-up answers", "tests/reconciler/test_mixed_up_answers.py")
MIX_UPS_THAT_STAND = on_sqlite("mix-ups that stand", "tests/reconciler/test_mix_ups_that_stand.py")
LATE_CALLBACKS = on_sqlite("callbacks after the end", "tests/reconciler/test_called_back_after_the_end.py")
FINAL_WITHOUT_A_TOKEN = on_sqlite(
    "final orders without a token", "tests/reconciler/test_final_without_a_token.py"
)
SHOWN = on_sqlite("what was shown", "tests/reconciler/test_what_was_shown.py")
UNKNOWN_PLACEMENTS = by_pytest("unknown placements", "tests/reconciler/test_unknown_placements.py")
ABOUT_TO_ASK = by_pytest("how many are about to ask", "tests/reconciler/test_turns.py")
TOGETHER = by_pytest("what passes write together", "tests/reconciler/test_writing.py")
CANCELLING = by_pytest("cancelling", "tests/reconciler/test_cancelling.py")
ASKED_TO_CANCEL = on_sqlite("asked to cancel", "tests/reconciler/test_asked_to_cancel.py")
IN_A_PASS = on_sqlite("replaced in a pass", "tests/reconciler/test_replaced_in_a_pass.py")
REPLACED_WORDS = on_sqlite(
    "words about what was replaced", "tests/reconciler/test_words_about_what_was_replaced.py"
)
REPLACED = on_sqlite("had and replaced", "tests/reconciler/test_had_and_replaced.py")
STAYING_UP = by_pytest("staying up", "tests/reconciler/test_staying_up.py")
FAULTS = by_pytest("fault matrix", "tests/reconciler/faults", "-k", "test_placing and sqlite")
DELIVERER = by_pytest("deliverer", "tests/webhooks/test_deliverer.py", "tests/webhooks/test_outcomes.py")
EVENT_ORDER = by_pytest("event order", "tests/events/test_event_order.py")
GROUP_COMMIT = by_pytest("group commit", "tests/queue/test_group_commit.py")
FOREIGN_LINKS = on_sqlite("foreign links", "tests/reconciler/test_foreign_links.py")
ORPHANS = on_sqlite("orphans", "tests/reconciler/test_orphans.py")
LOGS = by_pytest("logs", "tests/telemetry/test_logs.py")
OUTAGES = by_pytest("outages", "tests/db/test_outages.py")
FILES = by_pytest("files", "tests/db/test_files.py")
TEXTS = by_pytest("texts", "tests/db/test_texts.py")
STALLS = by_pytest("stalls", "tests/db/test_stalls.py")
CONNECTIONS = by_pytest("connections", "tests/db/test_connections.py", "tests/db/test_database_away.py")
FLAPPING = on_sqlite("flapping", "tests/reconciler/test_flapping.py")
TOLD = on_sqlite(
    "told",
    "tests/reconciler/test_told_of_callbacks.py",
    "tests/reconciler/test_attention_that_is_over.py",
    "tests/reconciler/test_what_applications_hear.py",
)
WORDS = on_sqlite(
    "words",
    "tests/reconciler/test_words.py",
    "tests/reconciler/test_answers_outrank_names.py",
    "tests/reconciler/test_called_back_often.py",
    "tests/reconciler/test_called_back_for_two.py",
)
SEEN_BEFORE = on_sqlite(
    "seen before",
    "tests/reconciler/test_doubles_seen_before.py",
    "tests/reconciler/test_restored_orders.py",
    "tests/reconciler/test_named_anew.py",
    "tests/reconciler/test_cancelled_and_replaced.py",
    "tests/reconciler/test_look_alikes.py",
)
HANDED_OVER = on_sqlite(
    "handed over", "tests/reconciler/test_handed_over.py", "tests/reconciler/test_after_a_hand_over.py"
)
DISMISSED = on_sqlite("dismissed", "tests/reconciler/test_dismissed_and_named.py")
TOLD_TO_PEOPLE = on_sqlite("told to people", "tests/reconciler/test_what_people_are_told.py")
CLOCKS = on_sqlite("clocks that step", "tests/reconciler/test_clocks_that_step.py")
DAYS = on_sqlite("days that are counted", "tests/reconciler/test_days_that_are_counted.py")
ADOPTING = on_sqlite("adopting", "tests/reconciler/test_adopting.py")
PROMISED = on_sqlite("promised", "tests/reconciler/test_promised.py")
RESOLVABLE = on_sqlite(
    "resolvable", "tests/reconciler/test_resolvable.py", "tests/reconciler/test_given_up.py"
)
TOLD_ONCE = on_sqlite("told once", "tests/reconciler/test_told_once.py")
SILENCE = on_sqlite("silence", "tests/reconciler/test_silence.py")
LATE_LOOKS = on_sqlite(
    "late looks",
    "tests/reconciler/test_late_looks.py",
    "tests/reconciler/test_called_back_while_looks_are_rare.py",
)
PROTOCOL = by_pytest("protocol", "tests/server/test_protocol.py")
FAIRNESS = by_pytest("fairness", "tests/server/test_fairness.py")
PLACES = on_sqlite("places", "tests/server/test_places.py")
AT_ONCE = by_pytest("answered at once", "tests/server/test_answered_at_once.py")
PARTING = by_pytest("parting", "tests/server/test_parting.py")
CHANGING = on_sqlite("changing", "tests/orders/test_changing.py")
EXCHANGES = by_pytest("exchanges", "tests/network/test_http1.py", "tests/network/test_exchanges.py")
TRANSPORT = by_pytest(
    "transport", "tests/cloudpress/test_connections.py", "tests/cloudpress/test_transport.py"
)
DASHBOARD = on_sqlite(
    "dashboard",
    "tests/dashboard/test_rights.py",
    "tests/dashboard/test_changes.py",
    "tests/dashboard/test_operators.py",
)
CURL_LINES = on_sqlite("curl lines", "tests/dashboard/test_curl.py")
PROGRESS_PAGE = on_sqlite("progress page", "tests/dashboard/test_progress.py")
SUSPECTING = on_sqlite("suspecting", "tests/api/routes/orders/test_suspecting.py")
ABOUT_TO_TELL = on_sqlite("about to tell", "tests/reconciler/test_callbacks_about_to_tell.py")
THAT_WAITED = on_sqlite("that waited", "tests/reconciler/test_callbacks_that_waited.py")
NOT_READ = on_sqlite("not read", "tests/reconciler/test_callbacks_that_no_pass_read.py")
ASKED_BEFORE = on_sqlite("asked before", "tests/reconciler/test_asked_before_the_news.py")
ABOUT_ORPHANS = on_sqlite("about orphans", "tests/reconciler/test_words_about_orphans.py")
ONE_BATCH = on_sqlite("one batch", "tests/reconciler/test_answers_in_one_batch.py")
FAILED_AND_MIXED_UP = on_sqlite("failed and mixed up", "tests/reconciler/test_failed_and_mixed_up.py")
HANGING = on_sqlite("hanging", "tests/reconciler/test_hanging_tasks.py")
TOLD_FALSELY = on_sqlite("told falsely", "tests/reconciler/test_told_falsely.py")
OF_BEFORE_A_PASS = on_sqlite("of before a pass", "tests/reconciler/test_answers_of_before_a_pass.py")
WORDS_AND_TIME = on_sqlite("words and time", "tests/reconciler/test_words_and_time.py")
OVERTAKEN = on_sqlite("overtaken", "tests/reconciler/test_attention_overtaken.py")
OTHER_RELEASES = by_pytest(
    "other releases", "tests/reconciler/test_other_releases.py", "-k", "sqlite or not database_url"
)
GONE = by_pytest(
    "gone", "tests/reconciler/test_cancelling.py", "-k", "sqlite and (404 or gone or shown or missing)"
)
LEFT_ALONE = on_sqlite("left alone", "tests/reconciler/test_left_alone.py")
HINTS_UNREAD = on_sqlite("hints unread", "tests/reconciler/test_hints_unread.py")
MACHINES = on_sqlite("machines in turn", "tests/reconciler/test_machines_in_turn.py")
CLOCK_AHEAD = on_sqlite("clock ahead", "tests/reconciler/test_clock_ahead.py")
ONE_FAILURE = on_sqlite("one failure", "tests/reconciler/test_one_failure.py")
IN_THE_MIDST = on_sqlite("in the midst", "tests/reconciler/test_in_the_midst.py")
NAMED_AND_HELD = on_sqlite("named and held by another", "tests/reconciler/test_named_and_held_by_another.py")
CLOCK_VOTES = by_pytest("clock votes", "tests/reconciler/test_clock_votes.py", "-k", "not postgresql")
WORDS_AND_HOLDING = on_sqlite("words and holding", "tests/reconciler/test_words_and_holding.py")
NEW_MACHINES = on_sqlite("new machines", "tests/reconciler/test_on_new_machines.py")
RESTORED_AND_LOOKED_AT = on_sqlite(
    "restored and looked at", "tests/reconciler/test_restored_and_looked_at.py"
)
EVENTS_AND_KEYS = on_sqlite("events and keys", "tests/api/routes/test_events_and_keys.py")
LATE_BODIES = on_sqlite("late bodies", "tests/api/test_late_bodies.py")
LATE_ANSWERS = on_sqlite("late answers", "tests/api/test_late_answers.py")
FORMER_KEYS = on_sqlite("former keys", "tests/api/routes/test_former_keys.py")
KEYS = by_pytest("keys", "tests/keys/test_keys.py")
NAMED_TWICE = on_sqlite("named twice", "tests/api/routes/test_named_twice.py")
GOES_WRONG = by_pytest("what goes wrong", "tests/cli/test_what_goes_wrong.py")
GIVEN = by_pytest("what is given", "tests/cli/test_given.py")
CLIENT = by_pytest("client of the commands", "tests/cli/test_client.py", "-k", "address or another_program")
UNTOLD = by_pytest(
    "untold", "tests/cli/test_client.py", "tests/dashboard/test_orders.py", "-k", "has_not_told"
)
BACKUPS = by_pytest("backups", "tests/maintenance/test_backup.py", "-k", "hard_links or flushes")
HOST_NAMES = by_pytest("names of hosts", "tests/network/test_names.py")
ENV_FILE = by_pytest("settings of a file", "tests/test_env_file.py")
ORIGINS = by_pytest("origins", "tests/config/test_values.py", "-k", "origin")
PROXIES = by_pytest("proxies", "tests/network/test_proxies.py")
PROTECTION = on_sqlite("protection", "tests/api/test_protection.py")
HEADS = on_sqlite("heads", "tests/api/test_head.py")
SIGNING_IN = on_sqlite("signing in", "tests/dashboard/test_signing_in.py")
UNDER_PATH = on_sqlite("under a path", "tests/api/test_under_path.py")
LASTING = by_pytest("lasting", "tests/db/test_lasting.py")
CONTEXTS = by_pytest("contexts", "tests/server/test_contexts.py")
SHARING = on_sqlite("sharing", "tests/db/test_sharing.py")
FILTERS = on_sqlite("filters", "tests/db/test_filters.py")
RARE_EVENTS = on_sqlite("rare events", "tests/api/routes/test_rare_events.py")
GONE_THROUGH = by_pytest("gone through", "tests/maintenance/test_encrypted.py")
REMOVED = by_pytest("removed", "tests/webhooks/test_registry.py")
ERASED_KEYS = by_pytest("erased keys", "tests/orders/test_intake.py")
MISSED = on_sqlite("what was missed", "tests/webhooks/test_missed.py")
FAIR_SLOTS = on_sqlite("fairness of slots", "tests/webhooks/test_fairness_of_slots.py")
NAMED_IN_THE_MIDST = on_sqlite(
    "named in the midst",
    "tests/reconciler/test_answered_in_the_midst.py",
    "tests/reconciler/test_cancelled_in_the_midst.py",
    "tests/reconciler/test_doubles_in_the_midst.py",
    "tests/reconciler/test_held_back.py",
)
TAKEN_BY_NAME = on_sqlite("taken by name", "tests/reconciler/test_taken_by_name.py")
NEVER_SHOWN = on_sqlite(
    "never shown",
    "tests/reconciler/test_never_shown.py",
    "tests/reconciler/test_orphans_that_are_never_shown.py",
)
ENDED_AND_SAID_AGAIN = on_sqlite(
    "ended and said again",
    "tests/reconciler/test_called_back_after_the_end.py",
    "tests/reconciler/test_words_that_wait.py",
)
OWN_TASK = on_sqlite("own task", "tests/reconciler/test_answered_with_the_own_task.py")
LATE_OWN_TASK = on_sqlite("late own task", "tests/reconciler/test_answered_late_with_the_own_task.py")
OWN_CALLBACK = on_sqlite("own callback", "tests/reconciler/test_own_callbacks_outrank_answers.py")
ENDED_AS_ANOTHERS = on_sqlite("ended as another's", "tests/reconciler/test_ended_as_anothers.py")
REFUTED = on_sqlite("refuted", "tests/reconciler/test_what_a_task_refutes.py")
ANSWERED_TO_BOTH = on_sqlite("answered to both", "tests/reconciler/test_answered_to_both.py")
WAITED_FOR = on_sqlite("waited for", "tests/reconciler/test_what_is_waited_for.py")
AGAINST_ANSWERS = on_sqlite("against answers", "tests/reconciler/test_callbacks_against_answers.py")
DOUBLES_OF_ANOTHERS = on_sqlite(
    "doubles that are another's", "tests/reconciler/test_doubles_that_are_anothers.py"
)
ALIKE = on_sqlite("alike", "tests/reconciler/test_called_back_by_a_name_that_is_alike.py")
OTHER_LETTERS = on_sqlite("other letters", "tests/reconciler/test_other_letters.py")
CLAIMED = on_sqlite(
    "claimed by others",
    "tests/reconciler/test_callbacks_that_claim.py",
    "tests/reconciler/test_answered_before_it_is_sent_again.py",
    "tests/reconciler/test_dismissed_of_another.py",
    "tests/reconciler/test_mixed_up_explains_nothing.py",
    "tests/reconciler/test_called_back_for_what_has_a_name.py",
    "tests/reconciler/test_words_about_names.py",
)
