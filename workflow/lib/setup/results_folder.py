"""Whether results can be where they are to be: in a folder that can be made, outside of the data."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from recon.problems import Problem, ProblemError
from workflow.lib.study.safe_paths import EXPECTED, odd

REMEDY = "--config output_dir=FOLDER"  # another `dataset` lies beside this one, in the same `results`


def check_results_folder(root: str, output_dir: str | None, datasets: Iterable[str]) -> None:
    """Refuse a folder of results that cannot be made, that a shell would have meant otherwise, or inside the data.

    Parameters
    ----------
    root : folder of the results
    output_dir : the setting that names it, None where `dataset` does
    datasets : folders of the user that nothing may be written into

    Raises
    ------
    ValueError
        With what to write instead, where that is known.
    """
    setting = "output_dir" if output_dir else "dataset"
    if root.startswith(("~", "$")):
        meant = os.path.expandvars(os.path.expanduser(root))
        line = f"--config {shlex.quote(f'{setting}={meant}')}" if meant != root else REMEDY
        raise ProblemError([Problem(setting, f"a path as it is, {line}", f"{root}, which only a shell expands")])
    if odd(root):
        raise ProblemError([Problem(setting, EXPECTED, repr(root))])
    for folder in datasets:
        check_outside(
            "results (--config output_dir=FOLDER)", Path(os.path.realpath(root)), Path(os.path.realpath(folder))
        )
    given = Path(root).absolute()
    place = _nearest(given)
    if not place.is_dir():
        expected, found = "a folder, or one that can be made", "no folder"
    elif place != given and not may_write(place):  # for `given` see `check_writable`
        expected, found = "a folder in which yours can be made", "no permission to write there"
    else:
        return
    raise ProblemError([Problem(f"{setting} {root}", f"{expected}, {REMEDY}", f"{place}: {found}")])


def check_writable(root: str) -> None:
    """Refuse a folder of results that is there, but not to be written into, which a run that only looks may read.

    Raises
    ------
    ValueError
        With what to write instead.
    """
    if os.path.lexists(root) and not may_write(Path(root)):
        raise ProblemError([Problem(root, f"a folder to write results into, {REMEDY}", "no permission to write there")])


def may_write(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it of which there is anything, be it a link to nothing."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def check_outside(name: str, folder: Path, bids_dir: Path) -> None:
    """ValueError where something would be written into the dataset; its `derivatives` are for that."""
    if folder.is_relative_to(bids_dir) and not folder.is_relative_to(bids_dir / "derivatives"):
        expected = f"expected {name} outside of the dataset or in its derivatives"
        raise ValueError(f"{folder}: {expected}, found it in {bids_dir}")
