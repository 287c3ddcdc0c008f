"""Tells where a defect was, and nothing of what stood there."""

import traceback
from pathlib import Path


def where_raised(error: BaseException) -> str:
    """Say which kind of error was raised where: the text of an unforeseen one may hold anything."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, {Path(place.filename).name}:{place.lineno}"
