"""A user's own brain mask, labels, masks of lesions, T1-weighted image and B1 map of a scan: taken, or refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recon.files.bids import applicable_sidecars, canonical, entities
from recon.files.nifti_header import Header
from recon.intake.derivatives import KINDS, Offered, of_visit
from recon.intake.headers import checked_header, form_notes, grid_problems
from recon.intake.scan import OwnRegions, Series
from recon.intake.unused import left_aside, name_of_own, unused
from recon.problems import IntakeError, Problem

OF_THE_SCAN = ("sub", "ses", "run", "acq")  # entities that say whose a file is, not what it shows


def user_files(
    name: str, series: Series, offered: Offered, two_flips: bool
) -> tuple[dict[str, Any], tuple[str, ...], list[Problem]]:
    """Choose what belongs to a scan.

    A file belongs to the scan where its name has the same subject and session, the same run or none, and the same acq
    or none; the run of a T1-weighted image or a B1 map counts only where the visit has several. A name with `space-`
    lies in another space and is left aside. Raw T1-weighted images are not taken: who wants one puts it among the
    derivatives. A B1 map is taken only beside two flip angles, from the raw dataset where the visit has no own one.

    Parameters
    ----------
    name : of the scan, `sub-01_ses-02_run-1`
    series : the series that is reconstructed
    offered : files of derivative datasets, and raw B1 maps
    two_flips : whether there is another series at a lower flip angle

    Returns
    -------
    files : for each of `mask`, `nuclei`, `t1w` and `b1` that there is, its file; for `regions` that there are, each an
        `OwnRegions`
    notes : what lies there and is not used, and why; by which form a file is placed whose two forms differ
    problems : several candidates, unreadable headers, masks and labels on another grid than the echoes, labels that no
        table names
    """
    scan = dict(label.split("-", 1) for label in name.split("_")) | {"acq": entities(series.files[0]).get("acq")}
    b1, of_b1 = _b1_maps(name, scan, offered, series.files[0], two_flips)
    matching = {
        "mask": [f for f in offered.files if _belongs(f, scan, "mask", ("run", "acq"))],
        "nuclei": [f for f in offered.files if _belongs(f, scan, "nuclei", ("run", "acq"))],
        "t1w": _of_the_visit("t1w", scan, offered.files),
        "b1": b1,
    }
    files: dict[str, Any] = {kind: found[0] for kind, found in matching.items() if len(found) == 1}
    problems = [_several(kind, found) for kind, found in matching.items() if len(found) > 1]
    fitted = [_fit(kind, file, series.files[0]) for kind, file in files.items()]
    regions, of_regions = _regions(scan, offered, series.files[0])
    files |= {"regions": regions} if regions else {}
    told = {*files, "b1"} if of_b1 else {*files}
    notes = [*left_aside(scan, offered), *unused(name, scan, offered, series.files[0], told), *of_b1]
    notes += [note for more, _ in (*fitted, *of_regions) for note in more]
    return files, tuple(notes), problems + [problem for _, unfit in (*fitted, *of_regions) for problem in unfit]


Told = tuple[list[str], list[Problem]]  # notes and problems


def _b1_maps(
    name: str, scan: dict[str, str | None], offered: Offered, echo: str, two_flips: bool
) -> tuple[list[str], list[str]]:
    """The B1 maps of a scan, and notes on those that are not used.

    Raw ones belong to the dataset and were not put there for this: if there are several, or the only one does not fit,
    none is used and nothing is refused.
    """
    own, raw = (_of_the_visit("b1", scan, files) for files in (offered.files, offered.raw_b1))
    if not two_flips:
        return [], [f"not used: {file}, as only T1 needs B1, and T1 needs two flip angles" for file in own or raw]
    if own or not raw:
        return own, []
    if len(raw) > 1:
        wanted = name_of_own(name, "b1")
        return [], [f"not used: {', '.join(raw)}, as they are several; copy the one of this scan to {wanted}"]
    _, unfit = _fit("b1", raw[0], echo)
    return ([], [f"not used: {unfit[0]}"]) if unfit else (raw, [])


def _regions(scan: dict[str, str | None], offered: Offered, echo: str) -> tuple[tuple[OwnRegions, ...], list[Told]]:
    """The label images and masks of a scan, one of each key, and what there is to say of them.

    What does not fit in a dataset that another pipeline made, and that the user named for other images, is left aside.
    """
    by_key: dict[str, list[str]] = {}
    for file in offered.files:
        if _belongs(file, scan, "regions", ("run", "acq")):
            by_key.setdefault(_key(file), []).append(file)
    regions: list[OwnRegions] = []
    told: list[Told] = [([], [_several("regions", files)]) for files in by_key.values() if len(files) > 1]
    for key, (image, *others) in sorted(by_key.items()):
        if others:
            continue
        region = OwnRegions(key, image, _names_of(image, offered.datasets.taken))
        notes, problems = _fit("regions", image, echo)
        maker = next((made for dataset, made in offered.datasets.made.items() if dataset in Path(image).parents), None)
        if maker and problems:
            told.append(([f"not used, as {maker} made it and not for these echoes: {problems[0]}"], []))
            continue
        if nameless := _nameless(region):
            told.append(([nameless], []))
            continue
        regions.append(region)
        told.append((notes, problems))
    return tuple(regions), told


def _nameless(region: OwnRegions) -> str:
    """Why a label image without a table of names is left aside; empty where it has one."""
    if region.names or not region.key.endswith("dseg"):
        return ""
    table = f"{Path(region.image).name.split('.')[0]}.tsv"
    return f"not used: {Path(region.image).name} (no {table} beside it, with the columns index and name of its labels)"


def _key(file: str) -> str:
    """What a file's name says of its content: `desc-atlas_dseg`."""
    named = entities(file)
    said = (f"{key}-{label}" for key, label in named.items() if key not in (*OF_THE_SCAN, "suffix"))
    return "_".join([*said, named["suffix"]])


def _names_of(image: str, datasets: Iterable[Path]) -> str | None:
    """The table that names the labels of an image, of several that apply (BIDS) the most specific."""
    if entities(image)["suffix"] != "dseg":
        return None
    root = next(dataset for dataset in datasets if dataset in Path(image).parents)
    folders = [folder for folder in Path(image).parents if folder == root or root in folder.parents]
    tables = applicable_sidecars(image, [table for folder in folders for table in folder.glob("*dseg.tsv")])
    return str(tables[-1]) if tables else None


def _belongs(file: str, scan: dict[str, str | None], kind: str, where_said: tuple[str, ...]) -> bool:
    names, own = canonical(entities(file)), canonical({key: label for key, label in scan.items() if label})
    agrees = all(names.get(key) in (None, own.get(key)) for key in where_said)
    return KINDS[kind](names) and of_visit(names, scan) and agrees and "space" not in names


def _of_the_visit(kind: str, scan: dict[str, str | None], offered: Iterable[str]) -> list[str]:
    """The files of a kind of the visit; of several, those of the scan's run."""
    found = [f for f in offered if _belongs(f, scan, kind, ())]
    own = canonical({key: label for key, label in scan.items() if label}).get("run")
    of_the_run = [f for f in found if canonical(entities(f)).get("run") == own]
    return of_the_run if len(found) > 1 and of_the_run else found


def _several(kind: str, found: list[str]) -> Problem:
    what = {
        "mask": "brain mask",
        "nuclei": "image of labels (desc-nuclei_dseg)",
        "t1w": "T1w image",
        "b1": "B1 map",
        "regions": f"image {_key(found[0])}",
    }
    return Problem(found[0], f"one {what[kind]} of the scan", f"also {', '.join(found[1:])}: leave one")


def _fit(kind: str, file: str, echo: str) -> tuple[list[str], list[Problem]]:
    """Notes on one chosen file, and its problems, from its header."""
    try:
        header = checked_header(file)
        reference = checked_header(echo)
    except IntakeError as error:
        return [], list(error.problems)
    if header.volumes != 1:
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
