"""Phase of the echoes → field [ppm of B0]: one map per echo, or one map fitted to all of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from recon.acquisition import Acquisition
from recon.field.offset import phase_offset
from recon.grid import Times
from recon.maths.in_mask import in_mask, put_in_mask
from recon.maths.neighbours import filled
from recon.maths.wrap import wrap
from recon.registry import Method, Stage, look_up
from recon.settings import defaults
from recon.unwrap.bipolar import alternating, odd_even

DEFAULT = defaults("field_mapping")


def echo_fields(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    *,
    bipolar: str = DEFAULT["bipolar"],
    offset: str = DEFAULT["offset"],
    offset_smoothing_mm: float = DEFAULT["offset_smoothing_mm"],
) -> np.ndarray:
    r"""Field of each echo alone, :math:`(\phi_i - \phi_0) / (2 \pi \gamma B_0 TE_i)`; see :func:`field_mapping`.

    Only a smooth offset is taken off: one echo does not show that of a voxel.
    """
    unwrapped_rad = in_line(unwrapped_rad, magnitude, mask, acquisition, bipolar)
    offset_rad = offset_of(unwrapped_rad, magnitude, mask, acquisition, offset, offset_smoothing_mm)
    ppm_per_rad = acquisition.ppm_per_rad().astype(np.float32)
    field_ppm = np.zeros(unwrapped_rad.shape, np.float32, order="F")  # as files hold them
    for i, factor in enumerate(ppm_per_rad):
        np.multiply(unwrapped_rad[..., i] - offset_rad, factor, out=field_ppm[..., i], where=mask)
    silent = mask & ~(magnitude > 0).all(-1)
    return _with_neighbours(field_ppm, mask, silent, acquisition)


def total_field(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    *,
    bipolar: str = DEFAULT["bipolar"],
    offset: str = DEFAULT["offset"],
    offset_smoothing_mm: float = DEFAULT["offset_smoothing_mm"],
) -> np.ndarray:
    r"""Fit :math:`\phi_i = \phi_0 + \omega\, TE_i` with weights :math:`|S_i|^2`; see :func:`field_mapping`.

    With `offset: smooth` the offset is that of :func:`recon.field.offset.phase_offset`; the line goes through it, which
    halves the noise; with `voxel` every voxel has its own; with `none` it is zero. A second step fits the phase of the
    complex residual :math:`S_i e^{-i (\phi_0 + \omega TE_i)}`, in which a turn of 2 pi left in an echo vanishes.
    """
    te_s = np.asarray(acquisition.te_s, np.float32)
    unwrapped_rad = in_line(unwrapped_rad, magnitude, mask, acquisition, bipolar)
    offset_rad = offset_of(unwrapped_rad, magnitude, mask, acquisition, offset, offset_smoothing_mm)
    phase = unwrapped_rad[mask] - offset_rad[mask][:, None]
    w = np.nan_to_num(magnitude[mask], posinf=0) ** 2  # (voxel, echo)
    per_voxel = offset == "voxel" and len(te_s) > 1
    intercept, slope = _line(phase, w, te_s, per_voxel)
    phase -= intercept[:, None] + slope[:, None] * te_s
    slope += _line(wrap(phase), w, te_s, per_voxel)[1]  # [rad/s]
    field_ppm = np.zeros(mask.shape, np.float32)
    field_ppm[mask] = slope * np.float32(acquisition.ppm_per_rad()[0] * te_s[0])
    silent = mask & ~(magnitude > 0).any(-1)
    return _with_neighbours(field_ppm[..., None], mask, silent, acquisition)[..., 0]


SMOOTHED = """{% if offset == "smooth" %}after a smooth phase at TE = 0 (Gaussian width {{ offset_smoothing_mm | n }} mm
    {{ cite("eckstein2018") }}) was subtracted{% endif %}"""

METHODS = {
    "separate": Method(
        run=echo_fields,
        sentence="""The field of each echo is its unwrapped phase over 2πγB₀TE{{ ", " if offset == "smooth" }}"""
        + SMOOTHED
        + ".",
    ),
    "together": Method(
        run=total_field,
        sentence="""One field was fitted to the phase of all echoes, weighted by the squared magnitude, """
        + SMOOTHED
        + """{% if offset == "voxel" %}with a phase at TE = 0 in every voxel{% endif %}
            {%- if offset == "none" %}with no phase at TE = 0{% endif %}.""",
    ),
}
STAGE = Stage(section="field_mapping", methods=METHODS, key="echoes")


def field_mapping(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    *,
    echoes: str = DEFAULT["echoes"],
    **settings: Any,
) -> np.ndarray:
    """Field of every echo (`echoes: separate`, the paper) or of all together (`echoes: together`).

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array [rad], echoes aligned
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    acquisition : Acquisition
    echoes : one of METHODS
    settings : `bipolar` (auto, always or never: take off what alternating readouts add), `offset` (none, smooth or
        voxel: the phase at TE = 0) and `offset_smoothing_mm`

    Returns
    -------
    field_ppm : (X, Y, Z, echo) or (X, Y, Z) float32 [ppm of B0], zero outside `mask`; voxels without signal take the
        mean of their neighbours

    Raises
    ------
    ValueError
        For a name that does not exist.

    Examples
    --------
    >>> scan = Acquisition(te_s=(0.01, 0.02), b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=(1, 1, 1))
    >>> phase_rad = 0.1 / scan.ppm_per_rad() * np.ones((2, 2, 2, 1))  # of 0.1 ppm
    >>> field_ppm = field_mapping(phase_rad, np.ones((2, 2, 2, 2)), np.ones((2, 2, 2), bool), scan, echoes="together")
    >>> round(float(field_ppm.mean()), 4)
    0.1
    """
    return STAGE.run(echoes, unwrapped_rad, magnitude, mask, acquisition, settings=settings)


def in_line(
    unwrapped_rad: np.ndarray, magnitude: np.ndarray, mask: np.ndarray, acquisition: Acquisition, bipolar: str
) -> np.ndarray:
    """Phase corrected for bipolar readouts; the array itself where there are none."""
    theta_rad = odd_even(unwrapped_rad, magnitude, mask, np.asarray(acquisition.te_s), bipolar)
    if theta_rad is None:
        return unwrapped_rad
    return unwrapped_rad - alternating(theta_rad, len(acquisition.te_s))


OFFSETS: dict[str, Callable[..., np.ndarray] | None] = {"none": None, "smooth": phase_offset, "voxel": None}


def offset_of(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    offset: str,
    smoothing_mm: float,
) -> np.ndarray:
    """(X, Y, Z) phase at TE = 0 [rad] that is known beforehand; zero unless `smooth`, from two echoes that show it."""
    found = look_up(OFFSETS, offset, "field_mapping.offset")
    if found is None or len(acquisition.te_s) < 2:
        return np.zeros(mask.shape, np.float32, order="F")
    size_mm = acquisition.voxel_size_mm
    return found(unwrapped_rad, magnitude, mask, acquisition.te_s, size_mm, sigma_mm=smoothing_mm)


def _with_neighbours(
    field_ppm: np.ndarray, mask: np.ndarray, silent: np.ndarray, acquisition: Acquisition
) -> np.ndarray:
    """(X, Y, Z, echo) field with the mean of the neighbours in the silent voxels."""
    for i in range(field_ppm.shape[-1]) if silent.any() else ():
        field_ppm[..., i] = filled(field_ppm[..., i], mask, mask & ~silent, acquisition.voxel_size_mm)
    return field_ppm


def field_precision(magnitude: np.ndarray, mask: np.ndarray, te_s: Times) -> np.ndarray:
    r"""Reciprocal noise of the field that all echoes give, :math:`\sqrt{\sum_i (|S_i| TE_i)^2}`, relative.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]

    Returns
    -------
    precision : (X, Y, Z) float32, median 1 inside `mask`, zero outside
    """
    inside = np.nan_to_num(in_mask(magnitude, mask), posinf=0) * np.asarray(te_s, np.float32)
    values = np.sqrt(np.einsum("ve,ve->v", inside, inside))
    precision = np.zeros(mask.shape, np.float32, order="F")
    put_in_mask(precision, mask, values / max(float(np.median(values)), np.finfo(np.float32).tiny))
    return precision


def _line(phase: np.ndarray, w: np.ndarray, te_s: np.ndarray, fit_intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of `phase` (voxel, echo) on TE: intercept (zero unless fitted) and slope, (voxel,)."""
    tiny = np.finfo(np.float32).tiny
    total = np.maximum(w.sum(-1), tiny)
    mean_te = (w @ te_s) / total if fit_intercept else np.zeros(len(w), np.float32)
    dte = te_s - mean_te[:, None]
    slope = np.einsum("ve,ve,ve->v", w, dte, phase) / np.maximum(np.einsum("ve,ve,ve->v", w, dte, dte), tiny)
    if not fit_intercept:
        return mean_te, slope
    return np.einsum("ve,ve->v", w, phase) / total - slope * mean_te, slope
