"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

from qnet.networks.compiler import leave_compiler_out

leave_compiler_out()  # before a test imports torchvision, which would import it

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = ("tiny", "project")  # fixtures, the dearest first, whose tests are a group of one process
LONG = ("tiny", "test_slurm", "exams 0", "exams 1", "test_docs", "project")  # groups that take minutes


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For processes side by side: those that share the finished run are one group, those on SLURM another.

    Those that need no more than a copy of the project are a third. The others go by file, because fixtures are shared
    there, but for those that name a group themselves. The long groups begin first.
    """
    for item in items:
        if item.get_closest_marker("xdist_group"):
            continue
        shared = [] if item.path.stem == "test_slurm" else [name for name in SHARED if name in item.fixturenames]
        item.add_marker(pytest.mark.xdist_group([*shared, item.path.stem][0]))
    order = {group: number for number, group in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.get_closest_marker("xdist_group").args[0], len(LONG)))


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
