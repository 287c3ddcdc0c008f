"""The program's entrance: `presshook`, also `python -m presshook`.

It loads the packages beside this file. They have plain names (`app`, `migrations`), and one of the same name
in the working folder or on PYTHONPATH would hide them.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from app.cli import main as run  # noqa: PLC0415 - not before the line above

    run()


if __name__ == "__main__":
    main()
