"""The files that a simulated cohort will have, known before it is simulated."""

from collections.abc import Sequence

from recon.files.io import sidecar_path
from recon.intake.facts import of_both_parts
from recon.intake.scan import Image, Scan, Series
from recon.intake.vendors import VENDORS
from recon.phantom import bids
from recon.phantom.cohort import Simulate, at_site, subject_by_label
from workflow.lib.setup.paths import Paths


def flip_labels(simulate: dict) -> list[str | None]:
    """The `acq` label of each flip angle, ascending; a single flip angle needs none."""
    angles = sorted(simulate["flip_angles_deg"])
    return [f"fa{angle:02.0f}" for angle in angles] if len(angles) > 1 else [None]


def planned_parts(simulate: dict) -> dict[tuple[str, str], list[str]]:
    """Parts in which images come, as ("mag", "phase"), and the scans that have them: sites may differ in vendor."""
    cohort, found = Simulate(**simulate), {}
    for name in scan_names(simulate):
        parts = VENDORS[at_site(cohort, site_of_scan(cohort, name)).vendor].parts
        found.setdefault(parts, []).append(name)
    return found


def planned_images(simulate: dict, parts: tuple[str, str], paths: Paths) -> list[str]:
    """Echo images by flip angle, echo and part; the wildcards of `paths` stay."""
    echoes = range(1, len(simulate["te_s"]) + 1)
    return [paths.raw_image(part, echo, label) for label in flip_labels(simulate) for echo in echoes for part in parts]


def planned_sidecars(simulate: dict, parts: tuple[str, str], paths: Paths) -> list[str]:
    """The sidecars of all echo images."""
    return [str(sidecar_path(image)) for image in planned_images(simulate, parts, paths)]


def scan_names(simulate: dict) -> list[str]:
    """`sub-01` and all others."""
    return [f"sub-{number:02d}" for number in range(1, simulate["subjects"] + 1)]


def site_of_scan(cohort: Simulate, name: str) -> str:
    """The site where a scan is made; empty in a cohort of one centre."""
    return subject_by_label(cohort, name.removeprefix("sub-")).site if cohort.sites else ""


def planned_sites(simulate: dict) -> dict[str, str]:
    """Scan → site, empty in a cohort of one centre."""
    cohort = Simulate(**simulate)
    return {name: site_of_scan(cohort, name) for name in scan_names(simulate)}


def voxel_sizes_mm(simulate: dict) -> dict[str, Sequence[float]]:
    """Site → edges of a voxel of its scans [mm]; a cohort of one centre has the site ""."""
    cohort = Simulate(**simulate)
    return {site: at_site(cohort, site).voxel_size_mm for site in cohort.sites or [""]}


def voxel_size_mm(simulate: dict, name: str) -> tuple[float, ...]:
    """Edges of a voxel of a scan that is still to be simulated [mm]."""
    if not simulate["sites"]:
        return tuple(simulate["voxel_size_mm"])
    cohort = Simulate(**simulate)
    return tuple(at_site(cohort, site_of_scan(cohort, name)).voxel_size_mm)


def planned_series(simulate: dict, paths: Paths, name: str, flip: int) -> Series:
    """The series at the flip angle number `flip`, ascending."""
    cohort = Simulate(**simulate | {"flip_angles_deg": [sorted(simulate["flip_angles_deg"])[flip]]})
    site = site_of_scan(cohort, name)
    settings = at_site(cohort, site)
    vendor, label = VENDORS[settings.vendor], flip_labels(simulate)[flip]
    te_s, echoes = zip(*sorted(zip(settings.te_s, range(1, len(settings.te_s) + 1), strict=True)), strict=True)
    files = [
        [paths.raw_image(part, echo, label).format(folder=name, scan=name) for echo in echoes] for part in vendor.parts
    ]
    first, second = (bids.sidecars(settings, vendor, part, site) for part in vendor.parts)
    return Series(
        parts=vendor.parts,
        images=tuple(tuple(Image(file) for file in of_part) for of_part in files),
        te_s=te_s,
        facts=tuple(of_both_parts(first[echo - 1], second[echo - 1]) for echo in echoes),
        sidecars=tuple(str(sidecar_path(file)) for of_part in files for file in of_part),
    )


def planned_scans(simulate: dict, paths: Paths) -> dict[str, Scan]:
    """Scans by name, as `recon.intake.index` finds them in a dataset that exists."""
    two = len(simulate["flip_angles_deg"]) > 1

    def scan(name: str) -> Scan:
        low_flip = planned_series(simulate, paths, name, 0) if two else None
        return Scan(name=name, series=planned_series(simulate, paths, name, -1), low_flip=low_flip)

    return {name: scan(name) for name in scan_names(simulate)}


def least_cohort(simulate: dict, subject: str) -> dict:
    """Settings of the smallest cohort that holds `subject`, so that adding subjects changes no other's settings."""
    number = int(subject)
    return {**simulate, "subjects": number + number % 2}
