"""The multi-echo gradient echo signal of a head in a field."""

from collections.abc import Iterator

import numpy as np

from recon.acquisition import GAMMA_HZ_PER_T
from recon.phantom import tissue
from recon.phantom.anatomy import Anatomy
from recon.phantom.cohort import Simulate
from recon.phantom.shapes import random_waves

WHITE_MATTER_SIGNAL = 1000.0  # magnitude of white matter at TE = 0 and the largest flip angle
PHASE_OFFSET_RAD = 0.3  # standard deviation over the head of the receive phase
FloatLike = np.ndarray | np.float32


def steady_state(pd: FloatLike, t1_s: FloatLike, flip_angle_deg: float, tr_s: float) -> np.ndarray:
    r"""Spoiled gradient echo at TE = 0: :math:`M_0 \sin\alpha (1 - E_1) / (1 - E_1 \cos\alpha)`, E1 = exp(-TR / T1)."""
    alpha = np.deg2rad(flip_angle_deg)
    E1 = np.exp(-np.float32(tr_s) / t1_s)
    return pd * np.float32(np.sin(alpha)) * (1 - E1) / (1 - np.float32(np.cos(alpha)) * E1)


def scale(flip_angles_deg: tuple[float, ...], tr_s: float) -> float:
    """Receiver gain that gives white matter its signal at the largest flip angle."""
    wm = tissue.WHITE_MATTER
    return float(WHITE_MATTER_SIGNAL / steady_state(np.float32(wm.pd), np.float32(wm.t1_s), max(flip_angles_deg), tr_s))


def voxel_spread(field_ppm: np.ndarray) -> np.ndarray:
    """Field difference [ppm] across a voxel, all three axes combined."""
    return np.sqrt(sum(g**2 for g in np.gradient(field_ppm)))


def phase_offset(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth receive phase [rad], present at TE = 0."""
    return PHASE_OFFSET_RAD * random_waves(shape, rng, modes=3)


def echo(
    s0: np.ndarray,
    r2star_hz: np.ndarray,
    field_ppm: np.ndarray,
    spread_ppm: np.ndarray,
    offset_rad: np.ndarray,
    te_s: float,
    b0_tesla: float,
) -> np.ndarray:
    r"""Noise-free complex signal of one echo.

    .. math:: S_0\, e^{-TE R_2^*}\, |\mathrm{sinc}(\gamma B_0 \Delta f\, TE)|\, e^{i (\phi_0 + 2\pi \gamma B_0 f\, TE)}

    The sinc is the dephasing across a voxel whose field is linear. A paramagnetic source advances the phase.

    Parameters
    ----------
    s0, r2star_hz, field_ppm, spread_ppm, offset_rad : (X, Y, Z)
    te_s, b0_tesla : echo time [s], main field [T]

    Returns
    -------
    (X, Y, Z) complex64
    """
    cycles_per_ppm = np.float32(GAMMA_HZ_PER_T * b0_tesla * 1e-6 * te_s)
    magnitude = s0 * np.exp(-np.float32(te_s) * r2star_hz)
    half = np.maximum(np.float32(np.pi) * cycles_per_ppm * spread_ppm, np.float32(1e-6))
    magnitude *= np.abs(np.sin(half) / half)
    phase_rad = offset_rad + np.float32(2 * np.pi) * cycles_per_ppm * field_ppm
    signal = np.empty(s0.shape, np.complex64)
    signal.real, signal.imag = magnitude * np.cos(phase_rad), magnitude * np.sin(phase_rad)
    return signal


def add_noise(signal: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add independent Gaussian noise of standard deviation `sd` to the real and the imaginary part."""
    noise = rng.standard_normal((*signal.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    return signal + np.float32(sd) * noise


def acquire(head: Anatomy, field_ppm: np.ndarray, cfg: Simulate, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Noisy complex (X, Y, Z) echoes of a head in a field: all echoes of the smallest flip angle, then of the next."""
    offset_rad = phase_offset(field_ppm.shape, rng)
    spread_ppm = voxel_spread(field_ppm)
    gain = scale(cfg.flip_angles_deg, cfg.tr_s)
    for flip_angle_deg in sorted(cfg.flip_angles_deg):
        s0 = gain * steady_state(head.pd, head.t1_s, flip_angle_deg, cfg.tr_s)
        for te_s in cfg.te_s:
            signal = echo(s0, head.r2star_hz, field_ppm, spread_ppm, offset_rad, te_s, cfg.b0_tesla)
            yield add_noise(signal, WHITE_MATTER_SIGNAL / cfg.snr, rng)
