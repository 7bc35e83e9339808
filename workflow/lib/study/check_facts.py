"""What a row of the check table says of a scan: its files and headers, and what was decided from the voxels."""

from collections.abc import Iterable
from pathlib import Path

from recon.intake.decisions import Decisions
from recon.intake.geometry import describe
from recon.intake.headers import checked_header
from recon.intake.main_field import main_field
from recon.intake.scan import Scan

UNKNOWN_MODEL = "model unknown"


def facts_of_files(scan: Scan) -> dict[str, str]:
    """Text by column of the check table, from names, sidecars and the header of the first image."""
    series, facts = scan.series, scan.series.facts[0]
    image = series.images[0][0]
    header = checked_header(image.path)
    place = describe(header.affine, facts.get("B0_dir"))
    flips = [part.facts[0].get("FlipAngle") for part in (scan.low_flip, series) if part]
    return {
        "form": " + ".join(series.parts),
        "files": f"{len(series.files)} x {'3-D' if image.volume is None else '4-D'}",
        "echoes": str(len(series.te_s)),
        "te_ms": numbers([1e3 * te for te in series.te_s]),
        "tr_s": numbers([facts.get("RepetitionTimeExcitation", facts.get("RepetitionTime"))]),
        "b0_tesla": numbers([main_field(series.facts).value]),
        "vendor": str(facts.get("Manufacturer") or ""),
        "scanner": scanner(facts),
        "matrix": "x".join(map(str, header.shape[:3])),
        "voxel_size_mm": numbers(header.voxel_size_mm, " x "),
        "orientation": place.axes,
        "oblique_deg": f"{place.obliquity_deg:.1f}",
        "flip_angles_deg": numbers(flips),
        "b0_direction": " ".join(f"{round(b, 3) + 0.0:.3f}" for b in place.b0_dir),
        "mask": origin(scan, scan.mask, "BET"),
        "nuclei": origin(scan, scan.nuclei, "registered template"),
        "t1w": origin(scan, scan.t1w, "first echo"),
        "b1": origin(scan, scan.b1, "none: nominal flip angles") if scan.low_flip else "",
        "regions": ", ".join(f"own {region.key}" for region in scan.regions) or "none",
    }


def scanner(facts: dict) -> str:
    """Manufacturer, model, field strength and software, as far as a sidecar tells; "" if it tells none of them.

    A name of a protocol may name a person or a place: TE, TR, flip angles and voxel size tell protocols apart.
    """
    field = facts.get("MagneticFieldStrength")
    make, model, version = (facts.get(key) for key in ("Manufacturer", "ManufacturersModelName", "SoftwareVersions"))
    tesla = f"{field:g} T" if isinstance(field, int | float) else field
    if not (make or model or tesla or version):
        return ""
    return ", ".join(str(part) for part in (make, model or UNKNOWN_MODEL, tesla, version) if part)


def facts_of_voxels(decisions: Decisions) -> dict[str, str]:
    """Text by column of the check table, from the voxels."""
    return {
        "phase_units": phase_units(decisions),
        "phase_filter": "possible" if decisions.filtered else "none seen",
        "slice_offsets": "none" if decisions.offset_axis is None else f"removed along {'ijk'[decisions.offset_axis]}",
        "slice_chop": "none" if decisions.chop_axis is None else f"undone along {'ijk'[decisions.chop_axis]}",
        "phase_sign": f"{decisions.phase_sign:+d}",
    }


def phase_units(decisions: Decisions) -> str:
    """What a stored phase value v is in rad; a real and imaginary pair needs no unit."""
    scale = decisions.scale
    if scale is None:
        return "complex"
    if (scale.slope, scale.intercept) == (1, 0):
        return "rad"
    offset = f" {scale.intercept:+.4g}" if scale.intercept else ""
    return f"{scale.slope:.4g} v{offset} rad"


def origin(scan: Scan, path: str | None, otherwise: str) -> str:
    """The user's own file, by what its name says beyond the scan's, or how the workflow makes it."""
    return f"own {Path(path).name.removeprefix(f'{scan.name}_')}" if path else otherwise


def numbers(values: Iterable[object], between: str = " ") -> str:
    """Numbers with four digits that carry meaning; what is no number as it is, what is missing not at all."""
    known = [value for value in values if value is not None]
    return between.join(f"{value:.4g}" if isinstance(value, int | float) else str(value) for value in known)
