"""Who may import whom (docs/decisions and CONTRIBUTING say why): read from the source, not from memory."""

import ast
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent
# What each room may import of ours.
ALLOWED = {
    "states": set(),
    "schedule": {"states"},
    "secrets": set(),
    "db": set(),
    "models": {"db", "states"},
    "timeline": {"db", "models"},
    "accounts": {"db", "models", "states", "timeline"},
    "keys": {"db", "models", "timeline"},
    "listing": {"models", "orders", "states"},
    "wishes": {"db", "milestones", "models", "orders", "states", "timeline"},
    "shown": {"models", "orders", "states"},
    "milestones": {"db", "models", "shown", "states", "timeline", "webhooks"},
    "events": {"models"},
    "feed": {"db", "events", "signals"},
    "rates": set(),
    "providers": {"accounts", "cloudpress", "config", "db", "reconciler", "secrets"},
    "orders": {"db", "models", "states", "timeline"},
    "restoring": {"db", "models", "states", "timeline", "webhooks"},
    "leases": {"db", "models"},
    "worker": {"db", "leases", "models", "signals"},
    "webhooks": {"db", "leases", "models", "signals", "timeline", "worker"},
    "signals": {"db", "models"},
    "schema": {"db"},
    "logs": set(),
    "cloudpress": set(),
    "config": {"cloudpress", "rates", "webhooks"},
    "reconciler": {
        "accounts", "cloudpress", "db", "leases", "milestones", "models", "orders", "schedule", "signals",
        "states", "timeline", "worker",
    },
    "api": {
        "accounts", "config", "db", "events", "feed", "keys", "listing", "milestones", "models", "orders",
        "rates", "secrets", "shown", "signals", "states", "webhooks", "wishes",
    },
    "sandbox": set(),
}  # fmt: skip
# These wire, and may import anything.
WIRING = {"main", "cli", "__main__", "__init__"}
STANDARD_LIBRARY_ALONE = {"states"}
NEVER = {"reconciler": {"fastapi", "starlette", "httpx"}, "api": {"httpx"}, "orders": {"httpx", "fastapi"}}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "app" else {module}
    return found


MODULES = sorted(path for path in ROOT.rglob("*.py") if room_of(path) not in WIRING)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("app.")}
    assert ours - {room} <= ALLOWED[room]


def test_the_rule_covers_every_room() -> None:
    rooms = {room_of(path) for path in ROOT.rglob("*.py")} - WIRING
    assert rooms == ALLOWED.keys()


def test_states_needs_the_standard_library_alone() -> None:
    for room in STANDARD_LIBRARY_ALONE:
        top = {name.split(".")[0] for name in imports(ROOT / f"{room}.py")}
        assert top <= {"collections", "dataclasses", "datetime", "enum"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_httpx_and_fastapi_stay_in_their_rooms(path: Path) -> None:
    top = {name.split(".")[0] for name in imports(path)}
    assert not top & NEVER.get(room_of(path), set())
    if room_of(path) not in {"cloudpress", "sandbox"}:
        assert "httpx" not in top
