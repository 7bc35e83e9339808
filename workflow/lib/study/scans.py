"""What the workflow asks of scans: their files, one number of echoes, and which of them is diagnosed."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from recon.files.nifti_header import read_header
from recon.grid import Grid, Vector
from recon.intake.scan import Scan
from recon.maths.boxes import slice_axis
from recon.needs import LEAST_ECHOES
from recon.problems import IntakeError, Problem, ProblemError, to_type
from recon.regions.reference import CSF, WHITE_MATTER, region_names
from recon.regions.shapes import names_of
from recon.registry import look_up


def files_of(scan: Scan) -> list[str]:
    """Every file that a scan is made from: images, sidecars and what the user added."""
    series = [part for part in (scan.series, scan.low_flip) if part]
    of_series = [file for part in series for file in (*part.files, *part.sidecars)]
    regions = [file for region in scan.regions for file in (region.image, region.names)]
    return [*of_series, *filter(None, (scan.mask, scan.nuclei, scan.t1w, scan.b1, *regions))]


def number_of_echoes(scans: Collection[Scan], where: str) -> int:
    """Echoes of every scan; they write a map each, so IntakeError unless all scans of dataset `where` agree."""
    counts = {scan.name: len(scan.series.te_s) for scan in scans}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise IntakeError([Problem(where, "one number of echoes in all scans", found)])
    return next(iter(counts.values()))


def check_r2star(n_echoes: int, method: str, where: str) -> None:
    """IntakeError unless the method of `r2star_map` can work with that many echoes of dataset `where`.

    A single echo has no R2*, whatever the method.
    """
    least = look_up(LEAST_ECHOES, method, "r2star_map.method")
    if 1 < n_echoes < least:
        serve = [name for name, fewest in LEAST_ECHOES.items() if fewest <= n_echoes]
        found = f"{n_echoes}, enough for {to_type('r2star_map.method', serve[0])}"
        raise IntakeError([Problem(where, f"{least} echoes for r2star_map.method {method}", found)])


def check_coils(n_echoes: int, settings: Mapping[str, Any], where: str) -> None:
    """Refuse a number of coils that would change nothing: ValueError for another method, IntakeError for two echoes."""
    coils, method = settings["coils"], settings["method"]
    if coils == 1:
        return
    if method != "irls":
        line = to_type("r2star_map.method", "irls")
        raise ValueError(f"config r2star_map.coils: expected method irls ({line}) for {coils} coils, found {method}")
    if n_echoes == 2:
        found = f"2, enough for {to_type('r2star_map.coils', 1)}"
        raise IntakeError([Problem(where, f"three echoes or more for r2star_map.coils {coils}", found)])


def check_reference(n_echoes: int, reference: str, nuclei: str, where: str, drawn: bool = False) -> None:
    """Refuse a reference that scans cannot have: IntakeError for fluid without R2*, ValueError for a nucleus unplaced.

    Parameters
    ----------
    n_echoes : of every scan
    reference : `combine_echoes.reference`
    nuclei : `locate_nuclei.method`
    where : the dataset
    drawn : whether every scan comes with labels of the user, whose nuclei are looked at when the region is made
    """
    if reference == CSF and n_echoes == 1:
        expected = "two echoes or more for combine_echoes.reference csf, which R2* shows"
        found = f"1, enough for {to_type('combine_echoes.reference', 'whole_brain')}"
        raise IntakeError([Problem(where, expected, found)])
    if nuclei == "none" and reference != CSF and reference in region_names():
        raise ValueError(
            f"config combine_echoes.reference: expected whole_brain, csf or none where nothing is located, found "
            f"{reference} with locate_nuclei.method none; {to_type('locate_nuclei.method', 'template')} locates it, "
            f"{to_type('combine_echoes.reference', 'whole_brain')} needs nothing located"
        )
    labelled = reference in region_names() and reference not in {CSF, WHITE_MATTER}
    if labelled and not drawn and reference not in {name for name, _ in names_of(nuclei).values()}:
        raise ValueError(
            f"config combine_echoes.reference: expected a nucleus that locate_nuclei.method {nuclei} places, or labels "
            f"of your own in every scan, found {reference}; {to_type('locate_nuclei.method', 'shapes')} places it"
        )


def check_boxes(path: str | None, scans: Collection[Scan]) -> None:
    """IntakeError with what is wrong with a table of boxes drawn by hand, for the scans that have files."""
    if path is None:
        return
    from recon.regions.localize import read_boxes  # with SciPy: slow to import, and a plan does without

    if not Path(path).is_file():
        line = to_type("locate_nuclei.boxes", "FILE")
        raise IntakeError([Problem(path, f"the table of boxes that locate_nuclei.boxes names ({line})", "no file")])
    problems: list[Problem] = []
    try:
        boxes = read_boxes(path)
    except ProblemError as error:
        raise IntakeError(error.problems) from None
    for scan in scans:
        if Path(image := scan.series.files[0]).is_file():
            try:
                boxes.box_of(scan.name, read_header(image).shape[:3])
            except ProblemError as error:
                problems += error.problems
    if problems:
        raise IntakeError(list(dict.fromkeys(problems)))


def check_swi(settings: Mapping[str, Any], voxel_sizes_mm: Mapping[str, Vector]) -> None:
    """ValueError with the first scan, by name, for whose voxels the filter of `swi_map` is too fine."""
    if not settings["make"]:
        return
    from recon.swi import check_filter  # with SciPy: slow to import, and a plan does without

    for name, size_mm in voxel_sizes_mm.items():
        try:
            check_filter(settings["filter_mm"], size_mm, slice_axis(Grid(size_mm)))
        except ValueError as error:
            raise ValueError(f"config {error} ({name})") from None


def diagnosed(scans: Collection[Scan], which: str) -> dict[str, str]:
    """Subject → name of the scan that is diagnosed: the `first` or the `last` of the subject's scans by name."""
    names: dict[str, list[str]] = {}
    for scan in scans:
        names.setdefault(scan.subject, []).append(scan.name)
    pick = {"first": min, "last": max}[which]
    return {subject: pick(names[subject]) for subject in sorted(names)}
