r"""What the air around a head tells of its magnitudes: noise alone, whose distribution and size are known.

In air the magnitude of one coil, or of coils combined by weights, has Rayleigh's distribution, and the noise is as
strong in every echo. So a magnitude that was squared, or of which the logarithm was taken, has another distribution,
and noise that grows from echo to echo was scaled with its echo, by which R2* is wrong.

In blocks of `EDGE` voxels a side the L-moments :math:`\lambda_1, \lambda_2, \lambda_3` of the magnitude give its
variation :math:`t = \lambda_2 / \lambda_1` and, with its sign, :math:`\rho = \lambda_3 \lambda_1 / \lambda_2^2`:

========================  =====  =======
magnitude                  t       ρ
========================  =====  =======
linear (Rayleigh)          0.29    0.39
its square (exponential)   0.50    0.67
its logarithm                    below 0
========================  =====  =======

A sum of squares over several coils varies less (t 0.21 and its square 0.38 of two coils), as does what was smoothed;
such squares are not told. Blocks are air where the phase is random and no voxel is empty.

References
----------
.. [1] Hosking, J R Stat Soc B 52:105 (1990), doi:10.1111/j.2517-6161.1990.tb01775.x: L-moments
.. [2] Gudbjartsson & Patz, MRM 34:910 (1995), doi:10.1002/mrm.1910340618: noise of magnitudes
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

EDGE = 4  # voxels
MOST = 4096  # blocks that are looked at
LEAST = 300  # blocks of air
RANDOM = 0.35  # mean resultant of the steps of phase within a block, along one axis at least; noise has about 0.15
EVEN = 5.0  # times the weakest tenth: air of one noise, also squared
SQUARED = 0.42  # t, in the middle of Rayleigh's and the exponential distribution
SKEWED = 0.5, 0.85  # ρ of squares
LOGARITHM = -0.5  # ρ
GREW = 1.04  # noise of an echo over that of the first


class Air(NamedTuple):
    """What blocks tell, (block,) arrays: which are of noise, their mean, and t and ρ t² of the module's text."""

    noise: np.ndarray
    mean: np.ndarray
    variation: np.ndarray
    skewness: np.ndarray


def corners(shape: Sequence[int]) -> np.ndarray:
    """(block, 3) first voxels of blocks all over an image."""
    sides = np.asarray(shape) // EDGE
    chosen = np.unique(np.linspace(0, sides.prod() - 1, min(int(sides.prod()), MOST)).astype(int))
    return EDGE * np.stack(np.unravel_index(chosen, sides), axis=1)


def look(magnitude: np.ndarray, phase: np.ndarray, at: np.ndarray) -> Air:
    """Look at blocks of one echo.

    Parameters
    ----------
    magnitude, phase : (X, Y, Z); phase in any unit, its extremes stand for a turn
    at : see `corners`
    """
    m, phi = _blocks(magnitude, at), _blocks(phase, at)
    finite = phi[np.isfinite(phi)]
    turn = float(np.ptp(finite)) if finite.size else 0.0
    return _air(m, phi * (2 * np.pi / turn if turn > 0 else 0.0))


def look_at_parts(real: np.ndarray, imaginary: np.ndarray, at: np.ndarray) -> Air:
    """The same of real and imaginary parts (X, Y, Z)."""
    re, im = _blocks(real, at), _blocks(imaginary, at)
    return _air(np.hypot(re, im), np.arctan2(im, re))


def _air(m: np.ndarray, phi: np.ndarray) -> Air:
    """Of (block, EDGE, EDGE, EDGE) magnitude and phase [rad]."""
    whole = (np.isfinite(m) & np.isfinite(phi) & (m > 0)).all(axis=(1, 2, 3))
    m, phi = (np.where(whole[:, None, None, None], part, np.float32(1)) for part in (m, phi))
    steps = [np.exp(1j * np.diff(phi, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2, 3)]
    first, second, third = _l_moments(np.sort(m.reshape(len(m), EDGE**3), axis=1).astype(float))
    weak = first < first[whole].mean() if whole.any() else whole
    random = np.abs(steps).min(axis=0) < RANDOM
    return Air(whole & weak & random, first, second / first, third / first)


def _blocks(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(block, EDGE, EDGE, EDGE) values."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (EDGE,) * 3)
    return np.ascontiguousarray(windows[tuple(at.T)], np.float32)


def _l_moments(ascending: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first three L-moments of each row, without bias: λ₁ = b₀, λ₂ = 2 b₁ − b₀, λ₃ = 6 b₂ − 6 b₁ + b₀ [1]."""
    n = ascending.shape[1]
    rank = np.arange(n)
    b0 = ascending.mean(axis=1)
    b1 = ascending @ rank / (n * (n - 1))
    b2 = ascending @ (rank * (rank - 1)) / (n * (n - 1) * (n - 2))
    return b0, 2 * b1 - b0, 6 * b2 - 6 * b1 + b0


def air_notes(where: Sequence[str], echoes: Sequence[Air], facts: Sequence[Mapping]) -> list[str]:
    """Notes on magnitudes that are not linear in the signal, or whose echoes have no common scale.

    Parameters
    ----------
    where : names of the magnitudes
    echoes : what `look` found in the same blocks of each
    facts : of their sidecars; noise may differ where the bandwidth does
    """
    random = np.logical_and.reduce([echo.noise for echo in echoes])
    if np.count_nonzero(random) < LEAST:
        return []
    weakest = np.percentile(echoes[0].mean[random], 10)
    noise = random & (echoes[0].mean <= EVEN * weakest)  # where voxels are large, the phase of tissue is random as well
    if np.count_nonzero(noise) < max(LEAST, np.count_nonzero(random) / 2):
        return []
    t = np.array([np.median(echo.variation[noise]) for echo in echoes])
    rho = np.array([np.median(echo.skewness[noise]) for echo in echoes]) / t**2
    if (t > SQUARED).all() and (rho > SKEWED[0]).all() and (rho < SKEWED[1]).all():
        return [
            f"{where[0]}: noise in the air varies as that of squared magnitudes (L-moment ratio {t[0]:.2f}; 0.50 of "
            "squares, 0.29 of magnitudes): R2* would be twice too large; export the magnitude itself"
        ]
    if (rho < LOGARITHM).all():
        return [
            f"{where[0]}: noise in the air is skewed to small values (L-skewness {(rho * t)[0]:.2f}; magnitudes 0.11): "
            "a logarithm, or a display's curve? Then R2* and T1w are wrong; export the magnitude itself"
        ]
    level = np.array([np.median(echo.mean[noise] / echoes[0].mean[noise]) for echo in echoes])
    bandwidths = {str(of_echo.get("PixelBandwidth")) for of_echo in facts}
    if len(bandwidths) > 1 or level.max() < GREW:
        return []
    worst = int(np.argmax(level))
    return [
        f"{where[worst]}: {level[worst]:.2f} times the noise of the first echo in the air: was each echo scaled by "
        "itself? Then R2* is wrong; export them in one scale"
    ]
