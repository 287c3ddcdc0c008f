"""Who may import whom: the map in CONTRIBUTING, held against the source."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
ROW = re.compile(r"^\| (`app/[^|]*) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
ROOM = re.compile(r"`(?:app/)?([a-z_]+)(?:/|\.py)?`")
ANYTHING = "anything"
STANDARD_LIBRARY_ALONE = {"states"}
PURE = {"collections", "dataclasses", "datetime", "enum", "typing"}
NEVER = {"reconciler": {"fastapi", "starlette", "httpx"}, "api": {"httpx"}, "orders": {"httpx", "fastapi"}}


def allowed() -> dict[str, set[str] | None]:
    """Return which rooms each room may import, None for all, as the map in CONTRIBUTING says."""
    rules: dict[str, set[str] | None] = {}
    for rooms, imported in ROW.findall(CONTRIBUTING.read_text()):
        rule = None if imported == ANYTHING else set(ROOM.findall(imported))
        rules |= dict.fromkeys(ROOM.findall(rooms), rule)
    return rules


ALLOWED = allowed()
# These name the program and hold nothing.
ENTRANCES = {"__main__", "__init__"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the dotted names that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "app" else {module}
    return frozenset(found)


MODULES = sorted(path for path in ROOT.rglob("*.py") if room_of(path) not in ENTRANCES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("app.")}
    rule = ALLOWED[room]
    assert rule is None or ours - {room} <= rule


def test_the_map_in_contributing_is_that_of_the_tree() -> None:
    rooms = {room_of(path) for path in ROOT.rglob("*.py")} - ENTRANCES
    assert rooms == ALLOWED.keys()
    for room in rooms:
        named = f"`app/{room}.py`" if (ROOT / f"{room}.py").exists() else f"`app/{room}/`"
        assert named in CONTRIBUTING.read_text()


def test_states_needs_the_standard_library_alone() -> None:
    for room in STANDARD_LIBRARY_ALONE:
        for path in (ROOT / room).glob("*.py"):
            named = {name for name in imports(path) if not name.startswith(f"app.{room}")}
            assert {name.split(".")[0] for name in named} <= PURE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_httpx_and_fastapi_stay_in_their_rooms(path: Path) -> None:
    top = {name.split(".")[0] for name in imports(path)}
    assert not top & NEVER.get(room_of(path), set())
    if room_of(path) not in {"cloudpress", "sandbox", "cli", "server"}:
        assert "httpx" not in top
