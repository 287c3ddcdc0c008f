"""A stream that says that something has changed, and not what: the page is read anew for that."""

from collections.abc import AsyncGenerator

from app.api.sse import RETRY_MILLISECONDS, EventStream
from app.events.feed import Subscription

# A browser passes over an event that has no data.
CHANGE = "event: change\ndata: 1\n\n"
STILL_HERE = ": still here\n\n"


class ChangeStream(EventStream):
    """Tells that something of interest has happened, from now on.

    It goes on from no number: whoever comes back reads the page anew, and is told no number of ours.
    """

    async def _chunks(self, subscription: Subscription) -> AsyncGenerator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        following = self._feed.follow(subscription, after=None, heartbeat_seconds=self._heartbeat_seconds)
        async for each in following:
            yield STILL_HERE if each is None else CHANGE
