"""Phase unwrapping: in space along the most reliable edges, over the echoes along a straight line."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from recon.grid import Times
from recon.maths.boxes import bounding_box
from recon.maths.in_mask import put_in_mask
from recon.needs import NEEDS
from recon.registry import Method, Stage
from recon.settings import defaults
from recon.unwrap.edge_cost import EdgeCost, best_path_cost, weighted_cost
from recon.unwrap.series import align_echoes as aligned
from recon.unwrap.series import unwrap_series
from recon.unwrap.spatial import unwrap_volume

DEFAULT = defaults("unwrap_phase")


def weighted(
    phase_rad: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    magnitude: np.ndarray | None = None,
    align_echoes: bool = DEFAULT["align_echoes"],
    workers: int = 1,
) -> np.ndarray:
    """Unwrap along edges that are weighted by phase coherence and magnitude, as ROMEO does.

    With `align_echoes` the first echo is unwrapped in space and the others in time, one series; otherwise every echo
    is unwrapped in space by itself. Arrays and result as in :func:`unwrap_phase`.

    References
    ----------
    .. [1] Dymerska et al., Magn Reson Med 85:2294 (2021), doi:10.1002/mrm.28563
    """

    def together(phase: np.ndarray, inside: np.ndarray, signal: np.ndarray | None) -> np.ndarray:
        out = np.zeros(phase.shape, np.float32, order="F")
        for i, unwrapped in enumerate(unwrap_series(phase, signal, inside, te_s)):
            put_in_mask(out[..., i], inside, unwrapped)
        return out

    if align_echoes and len(te_s) > 1:
        return _in_box(phase_rad, mask, magnitude, together)
    out = _in_box(phase_rad, mask, magnitude, _one_by_one(weighted_cost, workers))
    return aligned(out, mask, te_s) if align_echoes else out


def best_path(
    phase_rad: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    align_echoes: bool = DEFAULT["align_echoes"],
    workers: int = 1,
) -> np.ndarray:
    """Unwrap every echo by itself along edges between voxels of steady phase.

    With `align_echoes` whole echoes are then shifted. Arrays and result as in :func:`unwrap_phase`.

    References
    ----------
    .. [1] Abdul-Rahman et al., Appl Opt 46:6623 (2007), doi:10.1364/AO.46.006623
    """
    out = _in_box(phase_rad, mask, None, _one_by_one(best_path_cost, workers))
    return aligned(out, mask, te_s) if align_echoes else out


Unwrapping = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]  # of phase, mask and magnitude


def _one_by_one(cost_of: EdgeCost, workers: int) -> Unwrapping:
    """Every echo in space by itself."""

    def unwrap(phase: np.ndarray, inside: np.ndarray, signal: np.ndarray | None) -> np.ndarray:
        out = np.zeros(phase.shape, np.float32, order="F")

        def alone(i: int) -> None:
            magnitude = None if signal is None else signal[..., i]
            out[..., i] = unwrap_volume(phase[..., i], inside, magnitude=magnitude, cost_of=cost_of)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(alone, range(phase.shape[-1])))
        return out

    return unwrap


def _in_box(phase_rad: np.ndarray, mask: np.ndarray, magnitude: np.ndarray | None, unwrap: Unwrapping) -> np.ndarray:
    """Unwrap the voxels of the mask whose phase is finite at every echo, in the box around the mask."""
    out = np.zeros(phase_rad.shape, np.float32, order="F")  # as files hold them
    if not mask.any():
        return out
    box = bounding_box(mask)
    phase = phase_rad[box]
    inside = mask[box] & np.isfinite(phase).all(axis=-1)
    if inside.any():
        out[box] = unwrap(phase, inside, None if magnitude is None else magnitude[box])
    return out


METHODS = {
    "weighted": Method(
        run=weighted,
        needs=NEEDS["unwrap_phase"]["weighted"],
        sentence="""{% if align_echoes and not single %}
            The phase of the first echo was unwrapped in three dimensions along a minimum spanning tree, its edges
            weighted by phase coherence and magnitude in the manner of ROMEO {{ cite("dymerska2021") }},
            and that of later echoes in time.
            {% else %}
            {{ "The phase" if single else "Each echo's phase" }} was unwrapped in three dimensions along a minimum
            spanning tree, its edges weighted by phase coherence and magnitude in the manner of ROMEO
            {{ cite("dymerska2021") }}.
            {% endif %}""",
    ),
    "best_path": Method(
        run=best_path,
        sentence="""Each echo's phase was unwrapped by the three-dimensional best-path method
            {{ cite("abdulrahman2007") }}
            {%- if align_echoes and not single %}, and whole echoes were shifted by multiples of 2π onto a straight line
            over echo time{% endif %}.""",
    ),
}
STAGE = Stage(section="unwrap_phase", methods=METHODS)


def unwrap_phase(
    phase_rad: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    method: str = DEFAULT["method"],
    magnitude: np.ndarray | None = None,
    workers: int = 1,
    **settings: Any,
) -> np.ndarray:
    """Unwrap all echoes inside the mask.

    Parameters
    ----------
    phase_rad : (X, Y, Z, echo) float array, wrapped
    mask : (X, Y, Z) bool array
    te_s : (echo,) ascending [s]
    method : one of METHODS
    magnitude : (X, Y, Z, echo) float array, optional
    workers : echoes unwrapped side by side where each is unwrapped by itself
    settings : of the method, by the names of its own parameters

    Returns
    -------
    unwrapped_rad : (X, Y, Z, echo) float32, `phase_rad` plus multiples of 2 pi, zero outside the mask; a voxel whose
        phase is not finite at some echo is left out, zero in all

    Raises
    ------
    ValueError
        For a method that does not exist, or settings that are none of its own.

    Examples
    --------
    >>> ramp = np.linspace(0, 20, 30, dtype=np.float32) * np.ones((4, 4, 1), np.float32)
    >>> wrapped_rad = np.angle(np.exp(1j * ramp))[..., None]
    >>> unwrapped_rad = unwrap_phase(wrapped_rad, np.ones((4, 4, 30), bool), [0.02])
    >>> float(np.round(np.ptp(unwrapped_rad), 2))
    20.0
    """
    te_s = np.asarray(te_s)
    return STAGE.run(method, phase_rad, mask, te_s, settings=settings, magnitude=magnitude, workers=workers)
