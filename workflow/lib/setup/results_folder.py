"""Whether results can be where they are to be: in a folder that can be made, outside of the data."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from recon.problems import Problem, ProblemError
from workflow.lib.study.safe_paths import EXPECTED, odd


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
        line = f"--config {shlex.quote(f'{setting}={meant}')}" if meant != root else f"--config {setting}=FOLDER"
        raise ProblemError([Problem(setting, f"a path as it is, {line}", f"{root}, which only a shell expands")])
    if odd(root):
        raise ProblemError([Problem(setting, EXPECTED, repr(root))])
    for folder in datasets:
        check_outside(
            "results (--config output_dir=FOLDER)", Path(os.path.realpath(root)), Path(os.path.realpath(folder))
        )
    place = _nearest(Path(root).absolute())
    if not place.is_dir():
        expected, found = "a folder, or one that can be made", "no folder"
    elif place != Path(root).absolute() and not os.access(place, os.W_OK | os.X_OK):
        expected, found = "a folder in which yours can be made", "no permission to write there"
    else:
        return
    raise ProblemError([Problem(f"{setting} {root}", f"{expected}, --config {setting}=FOLDER", f"{place}: {found}")])


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it of which there is anything, be it a link to nothing."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def check_outside(name: str, folder: Path, bids_dir: Path) -> None:
    """ValueError where something would be written into the dataset; its `derivatives` are for that."""
    if folder.is_relative_to(bids_dir) and not folder.is_relative_to(bids_dir / "derivatives"):
        expected = f"expected {name} outside of the dataset or in its derivatives"
        raise ValueError(f"{folder}: {expected}, found it in {bids_dir}")
