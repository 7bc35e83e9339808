"""Wrapped echoes → unwrapped echoes: first straightened, since offsets that no field makes would become false turns."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from recon.grid import Times, Vector
from recon.unwrap.stage import STAGE, unwrap_phase
from recon.unwrap.straighten import straightened


class Unwrapped(NamedTuple):
    """Unwrapped phase (X, Y, Z, echo) [rad], and the voxels (X, Y, Z) on phase singularities, which it leaves out."""

    phase_rad: np.ndarray
    singular: np.ndarray


def unwrap_straightened(
    phase_rad: np.ndarray,
    magnitude: np.ndarray | None,
    mask: np.ndarray,
    te_s: Times,
    voxel_size_mm: Vector,
    settings: Mapping[str, Any],
    workers: int = 1,
) -> Unwrapped:
    """Straighten the echoes and unwrap them.

    Parameters
    ----------
    phase_rad, magnitude, mask, te_s, voxel_size_mm : as in :func:`recon.unwrap.straighten.straightened`
    settings : section `unwrap_phase` of the configuration
    workers : threads
    """
    straight = straightened(phase_rad, magnitude, mask, te_s, voxel_size_mm)
    chosen = STAGE.chosen(settings)
    unwrapped_rad = unwrap_phase(straight.phase_rad, mask, te_s, magnitude=magnitude, workers=workers, **chosen)
    return Unwrapped(unwrapped_rad, straight.singular)
