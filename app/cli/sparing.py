"""Keeps from a process that serves for months what libraries load for terminals and commands of their own.

structlog loads rich, for tracebacks in colours that the service never prints, and httpx its command line.
Both do without where they find none, and the process is 3.5 MB smaller. (`docs/benchmarks.md`)
"""

import sys
from importlib import import_module

UNUSED = ("rich", "httpx._main")
LOADED_FOR_IT = ("structlog", "httpx")


def load_sparingly() -> None:
    """Load those libraries as if what they do not need were not there; whoever wants it later still finds it.

    Where somebody has loaded one of them before, nothing is gained and nothing changes.
    """
    absent = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None: as if it were not installed
    try:
        for name in LOADED_FOR_IT:
            import_module(name)
    finally:
        for name in absent:
            del sys.modules[name]
