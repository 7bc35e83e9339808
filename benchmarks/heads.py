"""Simulated heads: the echoes that a scanner would deliver, and the truth behind them, as arrays in a folder."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from recon.acquisition import Acquisition
from recon.field import field_precision
from recon.files.io import read_json
from recon.mask import extract_brain, reliable_mask
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.spectrum import PAD_MM
from recon.phantom.anatomy import Anatomy, anatomy
from recon.phantom.cohort import Simulate, subject_by_label
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import WHITE_MATTER_SIGNAL, acquire, phase_offset
from recon.registry import taken

SUBJECT = "03"  # of the simulated cohort
SIGNAL, NOISE = 3, 100  # streams of the subject's random numbers
ECHO_FOR_MASK = 1


@dataclass(frozen=True, kw_only=True)
class Size:
    """Voxel edges [mm], and the matrix where it is not the one that the simulated slab fills."""

    voxel_size_mm: tuple[float, float, float]
    matrix: tuple[int, int, int] | None = None


SIZES = {
    "small": Size(voxel_size_mm=(2.5, 2.5, 2.5)),
    "iso": Size(voxel_size_mm=(1.0, 1.0, 1.0)),
    "paper": Size(voxel_size_mm=(0.601, 0.601, 2.0), matrix=(366, 366, 84)),
}


@dataclass(frozen=True, kw_only=True)
class Head:
    """A folder of arrays by name, `head["chi_ppm"]`, in the memory order of NIfTI files: X fastest, echoes last."""

    folder: Path
    acquisition: Acquisition
    affine: tuple[tuple[float, ...], ...]

    def __getitem__(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy")

    def keep(self, **arrays: np.ndarray) -> Self:
        """Write arrays into the folder."""
        for name, array in arrays.items():
            np.save(self.folder / f"{name}.npy", np.asfortranarray(array))
        return self

    @property
    def fft_grid(self) -> tuple[int, int, int]:
        """The brain's box with room for its dipole fields, in lengths that transform fast."""
        box = tuple(s.stop - s.start for s in bounding_box(self["brain"]))
        return padded_shape(box, self.acquisition.voxel_size_mm, PAD_MM)


def read_head(folder: Path) -> Head:
    """A head that `benchmarks.generators` wrote."""
    facts = read_json(folder / "facts.json")
    acquisition = Acquisition(**{key: facts[key] if key == "b0_tesla" else tuple(facts[key])
                                 for key in ("te_s", "b0_tesla", "b0_dir", "voxel_size_mm")})  # fmt: skip
    affine = np.diag([*acquisition.voxel_size_mm, 1.0])
    return Head(folder=folder, acquisition=acquisition, affine=tuple(map(tuple, affine.tolist())))


def on_matrix(head: Anatomy, matrix: tuple[int, int, int]) -> Anatomy:
    """The head in the middle of another matrix: cropped, or continued with the values at the edge."""
    start = [(n - m) // 2 for n, m in zip(head.brain.shape, matrix, strict=True)]
    index = np.ix_(
        *(np.clip(np.arange(s, s + m), 0, n - 1) for s, m, n in zip(start, matrix, head.brain.shape, strict=True))
    )
    affine = head.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    return Anatomy(affine=affine, **{f.name: getattr(head, f.name)[index] for f in fields(head) if f.name != "affine"})


def simulate(folder: Path, size: Size, config: dict) -> Head:
    """Simulate one subject of the cohort in `config`, with the voxels of `size`.

    Arrays: magnitude, phase [rad], unwrapped_rad (..., echo); brain, nuclei; chi_ppm, r2star_hz, total_ppm.
    """
    cohort = Simulate(**config["simulate"] | {"voxel_size_mm": size.voxel_size_mm})
    person = subject_by_label(cohort, SUBJECT)
    body = anatomy(person, size.voxel_size_mm, cohort.b0_tilt_deg)
    if size.matrix:
        body = on_matrix(body, size.matrix)
    geometry = body.grid.voxel_size_mm, body.grid.b0_dir
    acquisition = Acquisition(
        te_s=tuple(cohort.te_s),
        b0_tesla=cohort.b0_tesla,
        voxel_size_mm=tuple(map(float, geometry[0])),
        b0_dir=tuple(map(float, geometry[1])),
    )
    total_ppm = shim(head_field(body.chi_ppm, body.brain, *geometry), body.brain, body.affine)
    echoes = np.stack(list(acquire(body, total_ppm, cohort, person.rng(SIGNAL))), axis=-1)
    phase = np.angle(echoes)
    # the receive phase is the first that `acquire` draws
    offset_rad = phase_offset(total_ppm.shape, person.rng(SIGNAL))
    true_rad = offset_rad[..., None] + total_ppm[..., None] / acquisition.ppm_per_rad().astype(np.float32)
    turns = np.round((true_rad - phase) / np.float32(2 * np.pi))
    return Head(folder=folder, acquisition=acquisition, affine=tuple(map(tuple, body.affine.tolist()))).keep(
        magnitude=np.abs(echoes),
        phase=phase,
        unwrapped_rad=phase + np.float32(2 * np.pi) * turns,
        brain=body.brain,
        nuclei=body.nuclei,
        chi_ppm=body.chi_ppm,
        r2star_hz=body.r2star_hz,
        total_ppm=total_ppm,
    )


def local_truth(head: Head, mask: np.ndarray) -> np.ndarray:
    """Field [ppm] of the sources inside `mask`: what background removal should leave there."""
    field_ppm = forward_field(
        head["chi_ppm"] * mask, np.array(head.acquisition.voxel_size_mm), np.array(head.acquisition.b0_dir)
    )
    return np.where(mask, field_ppm, 0)


def prepare(head: Head, arms: dict[str, dict], snr: float) -> Head:
    r"""Add the inputs of single stages.

    given : the true brain where its phase deserves trust, for the stages after unwrapping
    local_ppm, noisy_ppm : its field; with the noise that a fit to all echoes has,
        :math:`\sigma / \sqrt{\sum_i (|S_i| TE_i)^2}` [rad/s]
    precision : reciprocal of that noise
    mask_paper, mask_consensus : brain mask of either arm, from the magnitude
    """
    magnitude, facts = head["magnitude"], head.acquisition
    te_s = np.asarray(facts.te_s)
    trimming = taken(reliable_mask, arms["consensus"]["unwrap_phase"])
    given = reliable_mask(head["phase"], magnitude, head["brain"], te_s, facts.grid, **trimming)
    local_ppm = local_truth(head, given)
    slope_rad_s = WHITE_MATTER_SIGNAL / snr / np.sqrt(np.sum((magnitude * te_s.astype(np.float32)) ** 2, -1))
    noise_ppm = slope_rad_s * np.float32(facts.ppm_per_rad()[0] * te_s[0])
    noise_ppm *= np.random.default_rng(NOISE).standard_normal(noise_ppm.shape, np.float32)
    masks = {
        f"mask_{name}": extract_brain(
            magnitude[..., ECHO_FOR_MASK], facts.grid, **arm["brain_mask"] | {"tool": "builtin"}
        ).mask
        for name, arm in arms.items()
    }
    return head.keep(
        given=given,
        local_ppm=local_ppm,
        noisy_ppm=np.where(given, local_ppm + noise_ppm, 0),
        precision=field_precision(magnitude, given, te_s),
        **masks,
    )
