"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For two processes side by side: those that share the run of the tiny cohort are one group and begin first.

    The others go by file, because fixtures are shared there.
    """
    items.sort(key=lambda item: "project" not in item.fixturenames)
    for item in items:
        name = "tiny" if "project" in item.fixturenames else item.path.stem
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images that lie beside the checkout on some machines; none of them is part of the project."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test images (../shared/data) are not on this machine")
    return folder
