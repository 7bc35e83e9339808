"""A small head of echoes as the files of a series, for tests."""

from pathlib import Path

import nibabel as nib
import numpy as np

from recon.intake.decide import PrepareEchoes
from recon.intake.scan import CARTESIAN, POLAR, Image, Series

AUTO = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
SHAPE = (28, 32, 24)
TE_S = (0.004, 0.012, 0.020)
AFFINE = np.diag([-2.0, 2.0, 2.5, 1.0])
TWELVE_BITS = 4096


def head(te_s: float, noise: float = 10.0, seed: int = 0) -> np.ndarray:
    """Complex (X, Y, Z) echo of a ball in a smooth field, magnitude about 1000, with noise around it."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (np.sqrt(x**2 + y**2 + z**2) - 0.8)))
    field_hz = 60 * x + 50 * y * z + 40 * z**2 - 30
    rng = np.random.default_rng([seed, int(1e6 * te_s)])
    noisy = noise * (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE))
    return (1000 * inside * np.exp(-25 * te_s) * np.exp(2j * np.pi * field_hz * te_s) + noisy).astype(np.complex64)


def echoes() -> list[np.ndarray]:
    return [head(te_s) for te_s in TE_S]


def siemens(signal):
    """Pixels 0..4095."""
    return (np.rint(np.angle(signal) * TWELVE_BITS / (2 * np.pi)) + TWELVE_BITS / 2) % TWELVE_BITS


def siemens_rescaled(signal):
    return 2 * siemens(signal) - TWELVE_BITS


def milliradians(signal):
    return np.rint(1000 * np.angle(signal))


def philips_pixels(signal):
    return np.clip(np.rint((1000 * np.angle(signal) + 3142) / 1.53455), 0, 4095)


def philips_display(signal):
    return 1.53455 * philips_pixels(signal) - 3142


def positive(signal):
    return np.angle(signal) % (2 * np.pi)


def write(path: Path, data: np.ndarray) -> str:
    data = np.asarray(data)
    nib.save(nib.Nifti1Image(data.astype(np.float32) if data.dtype == np.float64 else data, AFFINE), path)
    return str(path)


def series(images: tuple, te_s=TE_S, parts=POLAR, **facts) -> Series:
    """A Series of images that exist; `facts` stand in every sidecar."""
    return Series(
        parts=parts,
        images=images,
        te_s=tuple(te_s),
        facts=tuple({"EchoTime": te, "MagneticFieldStrength": 3, **facts} for te in te_s),
        sidecars=(),
    )


def files(folder: Path, first: list, second: list, parts=POLAR, **facts) -> Series:
    """A Series of one 3-D file an echo and part."""
    images = tuple(
        tuple(Image(write(folder / f"{part}{e}.nii.gz", data)) for e, data in enumerate(arrays, 1))
        for part, arrays in zip(parts, (first, second), strict=True)
    )
    return series(images, TE_S[: len(first)], parts, **facts)


def polar_files(folder: Path, signals: list, phase, **facts) -> Series:
    """Magnitude in whole numbers, and phase as a function makes it of the signal."""
    return files(folder, [np.rint(np.abs(z)) for z in signals], [phase(z) for z in signals], **facts)


def cartesian_files(folder: Path, signals: list, **facts) -> Series:
    real, imag = ([np.rint(part(z)).astype(np.int16) for z in signals] for part in (np.real, np.imag))
    return files(folder, real, imag, CARTESIAN, **facts)
