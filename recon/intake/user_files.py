"""A user's own brain mask, labels of nuclei, T1-weighted image and B1 map of a scan: taken as they are, or refused."""

from collections.abc import Iterable

from recon.files.bids import entities
from recon.files.nifti_header import Header
from recon.intake.derivatives import KINDS, Offered, of_visit
from recon.intake.headers import checked_header, form_notes, grid_problems
from recon.intake.scan import Series
from recon.intake.unused import left_aside, unused
from recon.problems import IntakeError, Problem


def user_files(name: str, series: Series, offered: Offered) -> tuple[dict[str, str], tuple[str, ...], list[Problem]]:
    """Choose what belongs to a scan.

    A file belongs to the scan where its name has the same subject and session, the same run or none, and the same acq
    or none; the run of a T1-weighted image or a B1 map counts only where the visit has several. A name with `space-`
    lies in another space and is left aside. Raw T1-weighted images are not taken: who wants one puts it among the
    derivatives.

    Parameters
    ----------
    name : of the scan, `sub-01_ses-02_run-1`
    series : the series that is reconstructed
    offered : files of derivative datasets

    Returns
    -------
    files : for each of `mask`, `nuclei`, `t1w` and `b1` that there is, its file
    notes : what lies there and is not used, and why; by which form a file is placed whose two forms differ
    problems : several candidates, unreadable headers, masks and labels on another grid than the echoes
    """
    scan = dict(label.split("-", 1) for label in name.split("_")) | {"acq": entities(series.files[0]).get("acq")}
    matching = {
        "mask": [f for f in offered.files if _belongs(f, scan, "mask", ("run", "acq"))],
        "nuclei": [f for f in offered.files if _belongs(f, scan, "nuclei", ("run", "acq"))],
        "t1w": _of_the_visit("t1w", scan, offered.files),
        "b1": _of_the_visit("b1", scan, offered.files),
    }
    files = {kind: found[0] for kind, found in matching.items() if len(found) == 1}
    problems = [_several(kind, found) for kind, found in matching.items() if len(found) > 1]
    fitted = [_fit(kind, file, series.files[0]) for kind, file in files.items()]
    notes = [*left_aside(scan, offered), *unused(name, scan, offered, series.files[0], files)]
    notes += [note for more, _ in fitted for note in more]
    return files, tuple(notes), problems + [problem for _, unfit in fitted for problem in unfit]


def _belongs(file: str, scan: dict[str, str | None], kind: str, where_said: tuple[str, ...]) -> bool:
    names = entities(file)
    agrees = all(names.get(key) in (None, scan.get(key)) for key in where_said)
    return KINDS[kind](names) and of_visit(names, scan) and agrees and "space" not in names


def _of_the_visit(kind: str, scan: dict[str, str | None], offered: Iterable[str]) -> list[str]:
    """The files of a kind of the visit; of several, those of the scan's run."""
    found = [f for f in offered if _belongs(f, scan, kind, ())]
    of_the_run = [f for f in found if entities(f).get("run") == scan.get("run")]
    return of_the_run if len(found) > 1 and of_the_run else found


def _several(kind: str, found: list[str]) -> Problem:
    what = {"mask": "brain mask", "nuclei": "image of labels (desc-nuclei_dseg)", "t1w": "T1w image", "b1": "B1 map"}
    return Problem(found[0], f"one {what[kind]} of the scan", f"also {', '.join(found[1:])}: leave one")


def _fit(kind: str, file: str, echo: str) -> tuple[list[str], list[Problem]]:
    """Notes on one chosen file, and its problems, from its header."""
    try:
        header = checked_header(file)
        reference = checked_header(echo)
    except IntakeError as error:
        return [], list(error.problems)
    if len(header.shape) != 3:
        return [], [Problem(file, "a 3-D image", f"shape {header.shape}")]
    return form_notes(header), _placed(header) if kind in ("t1w", "b1") else grid_problems(header, reference)


def _placed(header: Header) -> list[Problem]:
    """Problem of an image that is to be moved by scanner coordinates but has none."""
    if header.in_the_scanner:
        return []
    codes = f"qform_code {header.qform_code} and sform_code {header.sform_code}"
    return [
        Problem(
            header.path,
            "scanner coordinates (qform or sform, code 1 or 2)",
            f"{codes}: convert it anew, so that its place is kept",
        )
    ]
