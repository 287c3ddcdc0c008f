"""Says why the database is away: once per cause, and once that it is back."""

import time
from collections.abc import Callable, Collection

import structlog

from app.db.errors import in_words, is_unwritable, kind_of, sqlstate_of

# A cause that goes on, or comes and goes, is told again after this.
TOLD_AGAIN_SECONDS = 300.0
# For how long what said that nothing can be written is believed.
UNWRITABLE_SECONDS = 10.0

log = structlog.get_logger()


class Outages:
    """What has lately gone wrong with the database of one process."""

    def __init__(self, secrets: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell no word that is one of the `secrets`."""
        self._secrets = secrets
        self._clock = clock
        self._told: dict[str, float] = {}
        self._is_away = False
        self._unwritable: tuple[float, BaseException] | None = None

    def note(self, error: BaseException) -> None:
        """Take note of an error by which the database is away, and tell of it if that is new."""
        now = self._clock()
        if is_unwritable(error):
            self._unwritable = now, error
        cause = kind_of(error)
        if now - self._told.get(cause, -TOLD_AGAIN_SECONDS) < TOLD_AGAIN_SECONDS:
            return
        self._told[cause] = now
        self._is_away = True
        log.error(
            "database_away",
            error=type(error).__name__,
            sqlstate=sqlstate_of(error),
            reason=in_words(error, self._secrets),
        )

    def note_success(self) -> None:
        """Take note that the database has done what it was asked for."""
        if self._is_away:
            self._is_away = False
            log.info("database_back")

    @property
    def unwritable(self) -> BaseException | None:
        """The error of a moment ago by which nothing can be written, None if there was none."""
        if self._unwritable is None or self._clock() - self._unwritable[0] > UNWRITABLE_SECONDS:
            return None
        return self._unwritable[1]
