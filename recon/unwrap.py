"""Spatial phase unwrapping of each echo, and the voxels whose phase deserves trust."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.restoration import unwrap_phase as best_path

from recon.kernels import bounding_box

MAGNITUDE_FLOOR = 0.3  # of the median magnitude inside the mask; below it a voxel is mostly noise
CUBE = np.ones((3, 3, 3), bool)
CROSS = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True, kw_only=True)
class UnwrapPhase:
    """Config section `unwrap_phase`."""

    method: str
    align_echoes: bool
    trim_coherence: float


def unwrap(phase_rad: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Unwrap one echo along the best path: voxels are joined in the order of their reliability.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array in [-pi, pi]
    mask : (X, Y, Z) bool array

    Returns
    -------
    unwrapped_rad : (X, Y, Z) float32, differs from `phase_rad` by multiples of 2 pi, zero outside `mask`

    References
    ----------
    .. [1] Abdul-Rahman et al., Appl Opt 46:6623 (2007), doi:10.1364/AO.46.006623
    """
    box = bounding_box(mask)
    inside = mask[box] & np.isfinite(phase_rad[box])  # a NaN would never leave the queue of the algorithm
    wrapped = np.where(inside, phase_rad[box], 0)
    unwrapped = best_path(np.ma.array(wrapped, mask=~inside), rng=0)
    out = np.zeros(phase_rad.shape, np.float32)
    out[box] = np.where(inside, unwrapped.filled(0), 0)
    return out


def align_echoes(unwrapped_rad: np.ndarray, mask: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    """Shift whole echoes by the 2 pi n that makes the phase run straight over TE.

    Echo 2 is predicted by TE2/TE1 of echo 1, later ones by the line through the two before, which cancels the
    phase at TE = 0. The median over the mask decides, so that single voxels do not.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]

    Returns
    -------
    aligned_rad : (X, Y, Z, echo) float32
    """
    aligned = np.array(unwrapped_rad, dtype=np.float32)
    inside = aligned[mask]  # (voxel, echo), a copy
    for i in range(inside.shape[1]):
        if i == 0:
            predicted = np.zeros(len(inside), np.float32)
        elif i == 1:
            predicted = inside[:, 0] * (te_s[1] / te_s[0])
        else:
            step = (te_s[i] - te_s[i - 1]) / (te_s[i - 1] - te_s[i - 2])
            predicted = inside[:, i - 1] + step * (inside[:, i - 1] - inside[:, i - 2])
        inside[:, i] -= 2 * np.pi * np.round(np.median(inside[:, i] - predicted) / (2 * np.pi))
    aligned[mask] = inside
    return aligned


def unwrap_phase(phase_rad: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: UnwrapPhase) -> np.ndarray:
    """Unwrap every echo, (X, Y, Z, echo) → (X, Y, Z, echo) float32 [rad], and align them to each other."""
    echoes = [unwrap(phase_rad[..., i], mask) for i in range(phase_rad.shape[-1])]
    unwrapped = np.stack(echoes, axis=-1)
    return align_echoes(unwrapped, mask, te_s) if params.align_echoes else unwrapped


def phase_coherence(phase_rad: np.ndarray) -> np.ndarray:
    """How steadily the phase runs around each voxel: 1 for a plane wave, near 0 for noise.

    Unit phasors of the differences between neighbours are averaged over 3 x 3 x 3 voxels; the least of the three
    axes counts. A steep but smooth field stays coherent.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array, wrapped or not

    Returns
    -------
    coherence : (X, Y, Z) float32 in [0, 1]
    """
    phasor = np.exp(1j * phase_rad.astype(np.float32))
    coherence = np.ones(phase_rad.shape, np.float32)
    for axis in range(3):
        step = phasor * np.conj(np.roll(phasor, 1, axis))
        mean = ndimage.uniform_filter(step.real, 3) + 1j * ndimage.uniform_filter(step.imag, 3)
        np.minimum(coherence, np.abs(mean), out=coherence)
    return coherence


def reliable_mask(phase_rad: np.ndarray, magnitude: np.ndarray, mask: np.ndarray, params: UnwrapPhase) -> np.ndarray:
    """Drop the voxels at the rim and near the sinuses whose phase is noise.

    Such voxels would spread through background removal. Holes that this leaves inside the brain are kept in the
    mask, because every hole costs a sphere's radius of tissue around it.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays
    mask : (X, Y, Z) bool array
    params : UnwrapPhase; `trim_coherence` = 0 returns the mask as it is

    Returns
    -------
    reliable : (X, Y, Z) bool array, within `mask`
    """
    if params.trim_coherence == 0:
        return mask.copy()
    box = bounding_box(mask)
    signal = np.nan_to_num(magnitude[box], posinf=0).sum(-1)
    inside = mask[box]
    good = inside & (phase_coherence(np.nan_to_num(phase_rad[box][..., -1])) > params.trim_coherence)
    good &= signal > MAGNITUDE_FLOOR * np.median(signal[inside])
    labels, n = ndimage.label(ndimage.binary_opening(good, CROSS))
    if n == 0:
        raise ValueError(f"phase coherence: expected voxels above {params.trim_coherence} in the mask, found none")
    good = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    good = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(good, 2), CUBE, iterations=2))[2:-2, 2:-2, 2:-2]
    reliable = np.zeros_like(mask)
    reliable[box] = good & inside
    return reliable
