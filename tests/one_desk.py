"""What the pages are made with, made once: each test that looks at one has an application of its own.

A real process compiles a template once, and compresses once what pages load.
"""

from collections.abc import Callable
from functools import cache, cached_property

import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from app.dashboard import desk


class Compiled(BytecodeCache):
    """What templates were compiled to; Jinja itself sees whether one is still the same."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in what is known of a template."""
        if known := self._known.get(bucket.key):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Remember what a template was compiled to."""
        self._known[bucket.key] = bucket.bytecode_to_string()


def share_a_desk(patches: pytest.MonkeyPatch) -> None:
    """Have every application use what another has compiled and compressed, until the patches are undone."""
    make: Callable[[desk.Desk], Environment] = vars(desk.Desk)["_templates"].func
    compiled = Compiled()

    def templates(of: desk.Desk) -> Environment:
        made = make(of)
        made.bytecode_cache = compiled
        return made

    shared = cached_property(templates)
    shared.__set_name__(desk.Desk, "_templates")
    patches.setattr(desk.Desk, "_templates", shared)
    patches.setattr(desk, "_assets", cache(desk._assets))
