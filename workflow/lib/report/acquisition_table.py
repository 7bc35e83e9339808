"""The facts of a scan and what was decided about its values, in words."""

import re
from collections.abc import Iterable

import numpy as np

from recon.intake.geometry import describe
from workflow.lib.words import plain

DIRECTIONS = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}


def milliseconds(te_s: Iterable[float]) -> str:
    """`5, 10 and 15 ms`."""
    *first, last = plain(1000 * te for te in te_s)
    return f"{', '.join(first)} and {last} ms" if first else f"{last} ms"


def voxel(size_mm: Iterable[float]) -> str:
    """`0.6 × 0.6 × 2 mm`."""
    return " × ".join(plain(size_mm, 3)) + " mm"


def obliquity_deg(b0_dir: Iterable[float]) -> float:
    """Angle [degree] between the main field, given in voxel axes, and the nearest of them."""
    return describe(np.eye(4), tuple(b0_dir)).obliquity_deg


def title(key: str) -> str:
    """`PhaseUnits` → `Phase units`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).split()
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])


def reasons(acquisition: dict) -> dict[str, str]:
    """What the intake says in words, by subject."""
    said = acquisition.get("decisions", {}).items()
    return {title(key): value for key, value in said if isinstance(value, str)}


def acquisition_table(acquisition: dict, affine: np.ndarray) -> dict[str, str | None]:
    """Rows for the page of a scan.

    Parameters
    ----------
    acquisition : what `recon.acquisition.Acquisition` writes
    affine : (4, 4) of the images

    Returns
    -------
    dict: name → value in words
    """
    axes, b0_dir = describe(affine).axes, acquisition["b0_dir"]
    rows = {
        "Field strength": f"{acquisition['b0_tesla']:.4g} T",
        "Echo times": milliseconds(acquisition["te_s"]),
        "Repetition time": f"{1000 * tr_s:g} ms" if (tr_s := acquisition.get("tr_s")) else None,
        "Flip angle": f"{flip:g}°" if (flip := acquisition.get("flip_angle_deg")) else None,
        "Voxel": voxel(acquisition["voxel_size_mm"]),
        "Voxel axes": f"{axes}: towards {', '.join(DIRECTIONS[letter] for letter in axes)}",
        "B0 in voxel axes": f"{', '.join(plain(b0_dir, 3))}: {obliquity_deg(b0_dir):.1f}° off the nearest axis",
    }
    return rows | reasons(acquisition)
