"""Image quality numbers of one scan that a study compares: signal to noise, ghost, noise of χ, misfit of the decay."""

import numpy as np
from scipy import ndimage

from recon.check.facts import CHI_NOISE, MISFIT, SNR
from recon.inversion.noise import field_noise, independent_steps
from recon.maths.boxes import bounding_box

MISFIT_PERCENTILE = 95.0  # noise alone gives 1.54 with six echoes (chi-squared with four degrees of freedom)
TISSUE = 0.3  # of the way from the darkest to the median of the brain: what is brighter is no air
MARGIN = 3  # voxels about tissue that are no air
LEAST_AIR = 500  # voxels on a side of the brain, below which nothing is said
EVERY = 2  # voxel across the axis that is looked at, to save time


def signal_to_noise(echo: np.ndarray, mask: np.ndarray) -> float:
    """Median of a magnitude image in the brain over the standard deviation of its noise.

    The noise is that of :func:`recon.inversion.noise.field_noise`, from neighbours in the image itself, so it needs
    neither air nor a second image; where a scanner has interpolated, from every second voxel.

    Parameters
    ----------
    echo : (X, Y, Z) float array, magnitude
    mask : (X, Y, Z) bool array, brain

    Returns
    -------
    snr : [1]; NaN where no noise was found

    References
    ----------
    .. [1] Immerkaer, Comput Vis Image Underst 64:300 (1996), doi:10.1006/cviu.1996.0060
    .. [2] Dietrich et al., J Magn Reson Imaging 26:375 (2007), doi:10.1002/jmri.20969
    """
    if not mask.any():
        return np.nan
    box = bounding_box(mask)
    values, inside = echo[box], mask[box] & np.isfinite(echo[box])
    values = np.where(inside, values, 0)
    noise = field_noise(values, inside, steps=independent_steps(values, inside))
    return float(np.median(values[inside]) / noise) if noise else np.nan


def ghost(echo: np.ndarray, mask: np.ndarray) -> float:
    """By how much the air beside the brain is brighter along one axis than along another.

    Noise is alike in all of the air. What moves during a scan, and what alternates from line to line, is repeated along
    the axis of phase encoding, beside the head before and behind it, and not along the axis of readout.

    Parameters
    ----------
    echo : (X, Y, Z) float array, magnitude of the whole field of view
    mask : (X, Y, Z) bool array, brain

    Returns
    -------
    ghost : [% of the brain's median]; NaN where air lies beside the brain along fewer than two axes, as in a crop, or
        was set to zero
    """
    if not mask.any():
        return np.nan
    box = bounding_box(mask)
    brain = float(np.nanmedian(echo[mask]))
    levels = []
    for axis in range(3):
        beam = echo[tuple(slice(None) if a == axis else slice(s.start, s.stop, EVERY) for a, s in enumerate(box))]
        known = np.isfinite(beam) & (beam > 0)
        if not known.any():
            continue
        darkest = np.percentile(beam[known], 2)
        tissue = known & (beam > darkest + TISSUE * (brain - darkest))
        size = [2 * (MARGIN if a == axis else -(-MARGIN // EVERY)) + 1 for a in range(3)]
        air = known & ~ndimage.maximum_filter(tissue, size)
        if np.count_nonzero(air) >= LEAST_AIR:
            levels.append(float(beam[air].mean()))
    return 100 * (max(levels) - min(levels)) / brain if len(levels) > 1 else np.nan


def susceptibility_noise(chi_ppm: np.ndarray) -> float:
    """Standard deviation [ppm] of what changes from neighbour to neighbour in a susceptibility map.

    That of white noise with the same second differences, see :func:`recon.inversion.noise.field_noise`. The noise of a
    map is not white, and a regularised map has less of it than its field: the number ranks scans made with the same
    settings, no more.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm], exactly zero where no susceptibility was computed

    Returns
    -------
    sd_ppm : NaN where no voxel has all its neighbours
    """
    known = (chi_ppm != 0) & np.isfinite(chi_ppm)
    if not known.any():
        return np.nan
    box = bounding_box(known)
    noise = field_noise(np.where(known[box], chi_ppm[box], 0), known[box])
    return noise or np.nan


def decay_misfit(misfit: np.ndarray, mask: np.ndarray) -> float:
    """95th percentile, over the brain, of the distance of the echoes from an exponential decay.

    The median tells nothing: the noise, which the distance is measured in, was taken from it.

    Parameters
    ----------
    misfit : (X, Y, Z) float array [standard deviations of the noise], zero where it was not measured
    mask : (X, Y, Z) bool array, brain

    Returns
    -------
    misfit : [standard deviations of the noise]; NaN where it was measured nowhere, as with two echoes
    """
    measured = misfit[mask & (misfit > 0)]
    return float(np.percentile(measured, MISFIT_PERCENTILE)) if measured.size else np.nan


def image_measures(
    first_echo: np.ndarray, mask: np.ndarray, chi_ppm: np.ndarray, misfit: np.ndarray | None
) -> dict[str, float]:
    """The three numbers, unit in the name: magnitude of the first echo, brain, χ [ppm] and misfit, all (X, Y, Z)."""
    return {
        SNR: signal_to_noise(first_echo, mask),
        CHI_NOISE: susceptibility_noise(chi_ppm),
        MISFIT: np.nan if misfit is None else decay_misfit(misfit, mask),
    }
