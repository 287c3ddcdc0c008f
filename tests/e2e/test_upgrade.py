"""A running fleet goes to this release and back, replica by replica: none lost, none bought twice."""

from pathlib import Path

import pytest

from tests.e2e.upgrading import install, live_through_an_upgrade, release_before


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release before, as its wheel installs it."""
    try:
        return install(release_before(), tmp_path_factory.mktemp("before"))
    except LookupError as error:
        pytest.skip(f"the release before cannot be had of git's history: {error}")


async def test_the_release_before_works_on_the_tables_of_this_one_while_orders_run(
    empty_database_url: str, tmp_path: Path, api_headers: dict[str, str], before: Path
) -> None:
    lived = await live_through_an_upgrade(empty_database_url, tmp_path, api_headers, before, seed=1)
    print(f"{lived.orders} orders, {lived.swaps} swaps, {dict(lived.statuses)}, {dict(lived.answered)}")
    assert lived.swaps == 3
    assert lived.statuses.total() == lived.orders > 10
    assert set(lived.bought.values()) <= {1}, f"bought twice: {lived.bought.most_common(3)}"
    assert lived.statuses["completed"] <= len(lived.bought)
    assert lived.untold == set()
    assert lived.broken == {}
    assert "newer" in lived.migrated[-1]
