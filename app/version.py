"""Which release this is: `pyproject.toml` says it, and the installed package hands it on."""

from importlib.metadata import version

VERSION = version("presshook")
