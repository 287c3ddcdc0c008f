"""The program's entrance: `presshook`, also `python -m presshook`.

It loads the packages beside this file. They have plain names (`app`, `migrations`), and one of the same name
in the working folder or on PYTHONPATH would hide them.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType


def main() -> None:
    """Run the command line."""
    if os.getpid() == 1:
        # The kernel keeps from a container's first process every signal that nothing in it takes: asked to
        # end while it still loads, or while it migrates, it would go on until it is killed.
        signal.signal(signal.SIGTERM, _end)
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from app.cli import main as run  # noqa: PLC0415 - not before the line above

    run()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
