"""Tables, colours and what changes while one looks: rich, over the same filter as all that is printed.

Only commands that lay something out load it: a service that runs for months does without.
"""

import os
from typing import Any

from rich.console import Console
from rich.text import Text

from app.plain import plain

# Wider than any table, where nobody's screen is the limit.
UNLIMITED_WIDTH = 10_000


class Terminal(Console):
    """rich's console, whose every text is plain. Where nobody watches, nothing is cut to fit a screen."""

    def __init__(self) -> None:
        """Print to standard output."""
        super().__init__()
        if not self.is_terminal and not os.environ.get("COLUMNS"):
            self.width = UNLIMITED_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own
        """Return a text as it is shown: rich asks here for all that is a `str`, also in tables."""
        return super().render_str(plain(text), **options)


console = Terminal()
