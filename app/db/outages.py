"""Says why the database is away: once per cause, whoever asks it, and once that it is back."""

import time
from collections.abc import Callable, Collection
from types import TracebackType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.errors import DATABASE_AWAY, in_words, is_unwritable, kind_of, sqlstate_of

# A cause that goes on is told again after this.
TOLD_AGAIN_SECONDS = 300.0
# For how long nothing must have failed before the database is said to be back: one that can be read and not
# written, or that comes and goes, does some of what it is asked for.
STEADY_SECONDS = 5.0
# For how long what said that nothing can be written is believed.
UNWRITABLE_SECONDS = 10.0

log = structlog.get_logger()


class Outages:
    """What has lately gone wrong with the database of one process."""

    def __init__(self, secrets: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell no word that is one of the `secrets`."""
        self._secrets = secrets
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}
        self._failed_at: dict[str, float] = {}
        """When the rounds of a loop failed last; under no name, when the database was away last."""
        self._unwritable: tuple[float, BaseException] | None = None

    def note(self, error: BaseException) -> None:
        """Take note of an error by which the database is away, and tell of it if that is new."""
        if is_unwritable(error):
            self._unwritable = self._clock(), error
        self._tell("database_away", error, of="")

    def note_success(self) -> None:
        """Take note that the database has done what it was asked for."""
        if self._failed_at and self._is_over(""):
            log.info("database_back")

    def heeding(self, of: str) -> "Round":
        """Return the block for a round of the loop `of`: an error of the database ends it, and nothing else.

        Every loop's rounds fail while the database is away, so that is told once for all of them. What no
        waiting mends is told for each loop, once per cause, and once that its rounds succeed again.
        """
        return Round(self, of)

    def round_failed(self, of: str, error: SQLAlchemyError) -> None:
        """Take note that a round of the loop `of` failed by what no waiting mends."""
        self._tell("round_failed", error, of=of)

    def round_succeeded(self, of: str) -> None:
        """Take note that a round of the loop `of` did what it was to do."""
        if self._failed_at and self._is_over(of):
            log.info("round_succeeded_again", of=of)

    def _tell(self, event: str, error: BaseException, *, of: str) -> None:
        """Tell of an error, unless its cause was told a moment ago."""
        now, cause = self._clock(), (of, kind_of(error))
        self._failed_at[of] = now
        if now - self._told.get(cause, -TOLD_AGAIN_SECONDS) < TOLD_AGAIN_SECONDS:
            return
        self._told[cause] = now
        about = {"of": of} if of else {}
        log.error(
            event,
            **about,
            error=type(error).__name__,
            sqlstate=sqlstate_of(error),
            reason=in_words(error, self._secrets),
        )

    def _is_over(self, of: str) -> bool:
        """Tell whether what had failed has just ceased to; when it fails again, that is told anew."""
        failed_at = self._failed_at.get(of)
        if failed_at is None or self._clock() - failed_at < STEADY_SECONDS:
            return False
        del self._failed_at[of]
        self._told = {cause: at for cause, at in self._told.items() if cause[0] != of}
        return True

    @property
    def is_away(self) -> bool:
        """Whether the database was away a moment ago."""
        failed_at = self._failed_at.get("")
        return failed_at is not None and self._clock() - failed_at < STEADY_SECONDS

    @property
    def unwritable(self) -> BaseException | None:
        """The error of a moment ago by which nothing can be written, None if there was none."""
        if self._unwritable is None or self._clock() - self._unwritable[0] > UNWRITABLE_SECONDS:
            return None
        return self._unwritable[1]


class Round:
    """One round of a loop, which ends by an error of the database and is told of."""

    def __init__(self, outages: Outages, of: str) -> None:
        """Prepare a round of the loop `of`."""
        self._outages = outages
        self._of = of

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """End; let go on after the block, unless something else than the database ended it."""
        if error is None:
            self._outages.round_succeeded(self._of)
        elif isinstance(error, DATABASE_AWAY):
            self._outages.note(error)
        elif isinstance(error, SQLAlchemyError):
            self._outages.round_failed(self._of, error)
        else:
            return False
        return True
