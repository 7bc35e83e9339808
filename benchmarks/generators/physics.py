"""From tissue to echoes: field by one of several dipoles, shim, complex signal of sub-voxels, their average, noise."""

from collections.abc import Callable

import numpy as np
from scipy import fft

from benchmarks.generators.parts import tissue_of
from benchmarks.generators.scene import Scan, Scene, Tissue
from recon.acquisition import GAMMA_HZ_PER_T
from recon.grid import Grid
from recon.maths.boxes import padded_shape
from recon.maths.kernels import dipole_kernel
from recon.phantom.shapes import random_waves
from recon.regions.nuclei import nucleus_labels
from recon.regions.shapes import LABELS

PAD_MM = 80.0  # of air, against the neighbours that a periodic grid implies
NECK_MM = 60.0  # the lowest slice goes on below the grid


def spectral_dipole(shape: tuple[int, ...], spacing_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    r"""Dipole sampled in k-space, :math:`1/3 - (k \cdot b)^2 / k^2` (Salomir 2003)."""
    return dipole_kernel(shape, Grid(spacing_mm, b0_dir))


def green_dipole(shape: tuple[int, ...], spacing_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    r"""Transform of the point dipole, :math:`V (3 \cos^2\theta - 1) / (4 \pi r^3)`, sampled in space.

    Points stand for voxels on a cubic lattice alone: on any other the neighbours of a point in a homogeneous body add a
    field that the body does not have.
    """
    if not np.allclose(spacing_mm, spacing_mm[0], rtol=1e-3):
        raise ValueError(f"the point dipole needs cubic sub-voxels, found {spacing_mm} mm")
    x, y, z = (
        (fft.fftfreq(n, 1 / n) * v).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, v) in enumerate(zip(shape, spacing_mm, strict=True))
    )
    r2 = x**2 + y**2 + z**2
    r2[0, 0, 0] = np.inf  # no field at the source itself
    along = b0_dir[0] * x + b0_dir[1] * y + b0_dir[2] * z
    kernel = np.float32(np.prod(spacing_mm) / (4 * np.pi)) * (3 * along**2 / r2 - 1) / r2**1.5
    return fft.rfftn(kernel.astype(np.float32)).real


def difference_dipole(shape: tuple[int, ...], spacing_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    r"""Dipole of finite differences, :math:`1/3 - (\sum_i b_i \partial_i)^2 / \Delta` (Milovic 2018).

    Second derivatives are the three-point ones, mixed ones the products of central differences.
    """
    first, second = [], []
    for axis, (n, v) in enumerate(zip(shape, spacing_mm, strict=True)):
        turn = 2 * np.pi * (fft.rfftfreq(n) if axis == 2 else fft.fftfreq(n))
        place = [-1 if a == axis else 1 for a in range(3)]
        first.append((np.sin(turn) / v).astype(np.float32).reshape(place))
        second.append(((2 - 2 * np.cos(turn)) / v**2).astype(np.float32).reshape(place))
    bx, by, bz = b0_dir
    along = sum(b**2 * s for b, s in zip(b0_dir, second, strict=True)) + 2 * (
        bx * by * first[0] * first[1] + by * bz * first[1] * first[2] + bx * bz * first[0] * first[2]
    )
    laplacian = second[0] + second[1] + second[2]
    laplacian[0, 0, 0] = 1
    D = (1 / 3 - along / laplacian).astype(np.float32)
    D[0, 0, 0] = 0
    return D


DIPOLES: dict[str, Callable[..., np.ndarray]] = {
    "spectral": spectral_dipole,
    "green": green_dipole,
    "difference": difference_dipole,
}


class Solver:
    """Field [ppm of B0] of susceptibility on the sub-voxels of a scan."""

    def __init__(self, scan: Scan, shape: tuple[int, int, int]) -> None:
        self.neck = round(NECK_MM / scan.spacing_mm[2])
        self.grid = padded_shape((*shape[:2], shape[2] + self.neck), scan.spacing_mm, PAD_MM)
        self.kernel = DIPOLES[scan.dipole](self.grid, scan.spacing_mm, scan.b0_dir)

    def __call__(self, chi_ppm: np.ndarray, outside_ppm: float = 0.0) -> np.ndarray:
        """Field of a map that goes on below the grid as its lowest slice; `outside_ppm` is around it."""
        body = np.pad(chi_ppm - np.float32(outside_ppm), ((0, 0), (0, 0), (self.neck, 0)), mode="edge")
        spectrum = fft.rfftn(body, s=self.grid)
        spectrum *= self.kernel
        nx, ny, _ = chi_ppm.shape
        return fft.irfftn(spectrum, s=self.grid, overwrite_x=True)[:nx, :ny, self.neck : body.shape[2]]


def harmonics(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    """Solid harmonics up to the second order: what shim coils make."""
    return [np.ones_like(x), x, y, z, x * y, y * z, x * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]


def shim(field_ppm: np.ndarray, brain: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The field less its best solid harmonics in the brain; being harmonic, what goes has its sources outside."""
    axes = [
        ((np.arange(n) - n / 2) * v / 100).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, v) in enumerate(zip(field_ppm.shape, spacing_mm, strict=True))
    ]
    where = np.argwhere(brain)[:: max(1, np.count_nonzero(brain) // 50_000)].T
    points = [axis.ravel()[index] for axis, index in zip(axes, where, strict=True)]
    weights = np.linalg.lstsq(np.stack(harmonics(*points), 1).astype(float), field_ppm[tuple(where)], rcond=None)[0]
    shimmed = field_ppm.copy()
    for weight, harmonic in zip(weights.astype(np.float32), harmonics(*axes), strict=True):
        shimmed -= weight * harmonic
    return shimmed


def voxel_mean(values: np.ndarray, finer: tuple[int, int, int]) -> np.ndarray:
    """Averages over the sub-voxels of each voxel."""
    for axis, f in enumerate(finer):
        parts = [values[(slice(None),) * axis + (slice(start, None, f),)] for start in range(f)]
        values = sum(parts[1:], parts[0].astype(np.result_type(values, np.float32)))
    return values / np.float32(np.prod(finer))


def spread(values: np.ndarray, finer: tuple[int, int, int]) -> np.ndarray:
    """The value of each voxel in all of its sub-voxels."""
    for axis, f in enumerate(finer):
        values = values.repeat(f, axis)
    return values


def acquire(scene: Scene, scan: Scan, rng: np.random.Generator) -> dict[str, np.ndarray]:
    r"""Noisy echoes of a scene, and the truth behind them, by voxel.

    The signal of a voxel is the mean of :math:`S_0 e^{-TE R_2^*} e^{i (\phi_0 + 2\pi \gamma B_0 f\, TE)}` over its
    sub-voxels: partial volume and dephasing come with it. Maps are means over sub-voxels.

    Returns
    -------
    arrays by name : magnitude, phase [rad], (X, Y, Z, echo); brain, bool; nuclei, finer, lesions, uint8; chi_ppm,
        r2star_hz, total_ppm, and local_ppm, the field of the brain's own susceptibility
    """
    finer = scan.finer
    brain = voxel_mean(scene.brain, finer) >= 0.5
    solve = Solver(scan, scene.brain.shape)
    total_ppm = solve(scene.chi_ppm, scene.chi_ppm[0, 0, -1])
    total_ppm = shim(total_ppm, scene.brain, scan.spacing_mm)
    local_ppm = voxel_mean(solve(np.where(spread(brain, finer), scene.chi_ppm, 0)), finer)
    del solve

    coarse = brain.shape
    offset_rad = spread(scan.receive_rad * random_waves(coarse, rng, modes=3), finer)
    sensitivity = np.exp(scan.shading * random_waves(coarse, rng, modes=3))
    noise_sd = float(np.median(scene.signal[scene.brain])) / scan.snr
    echoes, before_s = [], 0.0
    weight = scene.signal.copy()
    for te_s in scan.te_s:
        weight *= np.exp(-np.float32(te_s - before_s) * scene.r2star_hz)
        before_s = te_s
        turn = np.float32(2 * np.pi * GAMMA_HZ_PER_T * scan.b0_tesla * 1e-6 * te_s)
        angle_rad = offset_rad + turn * total_ppm
        signal = voxel_mean(weight * np.cos(angle_rad), finer) + 1j * voxel_mean(weight * np.sin(angle_rad), finer)
        noise = rng.standard_normal((*coarse, 2), np.float32).view(np.complex64)[..., 0]
        echoes.append(signal * sensitivity + np.float32(noise_sd) * noise)
    signal = np.stack(echoes, -1)
    return {
        "magnitude": np.abs(signal),
        "phase": np.angle(signal),
        "brain": brain,
        **nuclei_of(scene.labels, finer),
        "lesions": majority(scene.labels, {Tissue.CALCIFICATION: 1, Tissue.HAEMORRHAGE: 2}, finer),
        "chi_ppm": voxel_mean(scene.chi_ppm, finer),
        "r2star_hz": voxel_mean(scene.r2star_hz, finer),
        "total_ppm": voxel_mean(total_ppm, finer),
        "local_ppm": np.where(brain, local_ppm, 0),
    }


def nuclei_of(labels: np.ndarray, finer: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """By voxel the nuclei of the ellipsoids, and what is finer than they: parts, and the nuclei that they lack."""
    finest = [n for n in LABELS if n not in nucleus_labels()]
    return {
        "nuclei": majority(tissue_of(labels), {Tissue.NUCLEUS + n: n for n in nucleus_labels()}, finer),
        "finer": majority(labels, {Tissue.NUCLEUS + n: n for n in finest}, finer),
    }


def majority(labels: np.ndarray, renamed: dict[int, int], finer: tuple[int, int, int]) -> np.ndarray:
    """By voxel the new name of the label that fills at least half of it, or 0."""
    out = np.zeros([n // f for n, f in zip(labels.shape, finer, strict=True)], np.uint8)
    for label, name in renamed.items():
        out[voxel_mean(labels == label, finer) >= 0.5] = name
    return out
