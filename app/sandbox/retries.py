"""When the provider sends a callback again. Pure."""

MINUTE = 60.0
GIVE_UP_SECONDS = 4 * 60 * MINUTE


def next_try_seconds(elapsed_seconds: float) -> float | None:
    """Return how long after a failed try the next one comes, None if the callback is given up.

    `elapsed_seconds` counts from the first try. (provider page: every 2 minutes in the first 5 minutes,
    then every 5 until 10 minutes, then every 15, given up 4 hours after the first try)
    """
    if elapsed_seconds < 5 * MINUTE:
        wait_seconds = 2 * MINUTE
    elif elapsed_seconds < 10 * MINUTE:
        wait_seconds = 5 * MINUTE
    else:
        wait_seconds = 15 * MINUTE
    return wait_seconds if elapsed_seconds + wait_seconds <= GIVE_UP_SECONDS else None
