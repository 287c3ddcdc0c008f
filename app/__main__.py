"""`python -m app` is `presshook`."""

from app.cli import main

main()
