"""What no database can store of a text, replaced on the way in.

A text of the provider must never undo the transaction that it is written in, which may record a purchase.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import structlog
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor

# PostgreSQL stores no NUL, and nothing can encode half of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
# The same in a JSON document, where one is written as an escape.
ESCAPED = re.compile(r"\\u(?:0000|d[89a-f][0-9a-f]{2})", re.IGNORECASE)

log = structlog.get_logger()


def as_json(value: object) -> str:
    """Return a document as JSON that both databases can store."""
    try:
        document = json.dumps(value, allow_nan=False)
    except ValueError:  # JSON knows neither NaN nor infinity
        return json.dumps(_replaced(value))
    return document if ESCAPED.search(document) is None else json.dumps(_replaced(value))


def _replaced(value: object) -> object:
    """Return a document with every text in it storable."""
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(str(name)): _replaced(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _storable(text: str) -> str:
    replaced, count = UNSTORABLE.subn(REPLACEMENT, text)
    if count:
        log.warning("text_replaced", characters=count, detail="what no database can store of a text")
    return replaced


def execute_storable(
    cursor: DBAPICursor, statement: str, parameters: object, context: ExecutionContext
) -> Literal[True] | None:
    """Replace what cannot be stored in the values of a statement (SQLAlchemy's `do_execute`)."""
    storable: Any = _values(parameters)
    if storable is parameters:
        return None
    context.dialect.do_execute(cursor, statement, storable, context)
    return True


def executemany_storable(
    cursor: DBAPICursor, statement: str, parameters: Sequence[object], context: ExecutionContext
) -> Literal[True] | None:
    """Do the same for a statement that is run several times (SQLAlchemy's `do_executemany`)."""
    storable: Any = [_values(each) for each in parameters]
    if all(now is before for now, before in zip(storable, parameters, strict=True)):
        return None
    context.dialect.do_executemany(cursor, statement, storable, context)
    return True


def _values(parameters: object) -> object:
    if isinstance(parameters, dict):
        if not any(_is_unstorable(value) for value in parameters.values()):
            return parameters
        return {name: _value(value) for name, value in parameters.items()}
    if isinstance(parameters, tuple) and any(_is_unstorable(value) for value in parameters):
        return tuple(_value(value) for value in parameters)
    return parameters


def _value(value: object) -> object:
    return _storable(value) if isinstance(value, str) else value


def _is_unstorable(value: object) -> bool:
    return isinstance(value, str) and UNSTORABLE.search(value) is not None
