"""The tissue of a labelled head: its properties by one of several relations, veins, lesions, texture."""

from dataclasses import dataclass

import numpy as np

from benchmarks.generators.parts import paint_lesion, paint_veins, texture, tissue_of
from benchmarks.generators.scene import Scan, Scene, Tissue, by_tissue
from recon.phantom.shapes import random_waves
from recon.regions.nuclei import nucleus_labels

# Usual values at 3 T, in the manner of Marques 2021 (doi:10.1002/mrm.28716) [ppm, 1/s]
CHI_PPM = {
    Tissue.AIR: 9.4, Tissue.SOFT: 0.0, Tissue.BONE: -2.1, Tissue.FLUID: 0.02, Tissue.GREY: 0.02,
    Tissue.WHITE: -0.03, Tissue.DEEP: 0.06, Tissue.VEIN: 0.25, Tissue.CALCIFICATION: -2.0, Tissue.HAEMORRHAGE: 0.7,
}  # fmt: skip
NUCLEUS_CHI_PPM = {
    "caudate": 0.05, "putamen": 0.06, "pallidum": 0.14, "thalamus": 0.015,
    "red_nucleus": 0.10, "substantia_nigra": 0.12, "dentate": 0.11,
}  # fmt: skip
R2STAR_HZ = {
    Tissue.SOFT: 35.0, Tissue.BONE: 120.0, Tissue.FLUID: 4.0, Tissue.GREY: 17.0, Tissue.WHITE: 20.0,
    Tissue.DEEP: 22.0, Tissue.VEIN: 45.0, Tissue.CALCIFICATION: 150.0, Tissue.HAEMORRHAGE: 110.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Model:
    """How the properties of tissue hang together.

    Parameters
    ----------
    signal : magnitude at TE = 0 by tissue; a nucleus has that of `Tissue.NUCLEUS`, changed at random by `signal_sd`
    white_ppm : susceptibility of white matter [ppm]
    chi_sd : relative spread with which the susceptibility of each nucleus is drawn
    r2star_per_ppm : R2* that a nucleus gains with its susceptibility [1/s/ppm]; 0: drawn without regard to it
    chi_per_signal : susceptibility [ppm] that follows the texture of the signal
    texture_ppm, texture_mm : independent susceptibility [ppm] and its correlation length [mm]
    waves_ppm : smooth change of susceptibility in white matter, as anisotropy makes
    veins, vein_mm : trees and radius [mm]
    calcifications, haemorrhages : how many
    """

    signal: dict[int, float]
    signal_sd: float = 0.05
    white_ppm: float = -0.03
    chi_sd: float = 0.3
    r2star_per_ppm: float = 120.0
    chi_per_signal: float = 0.0
    texture_ppm: float = 0.006
    texture_mm: float = 1.0
    waves_ppm: float = 0.0
    veins: int = 60
    vein_mm: float = 0.8
    calcifications: int = 0
    haemorrhages: int = 0
    field_strength: float = 1.0  # of R2* over that at 3 T


def furnish(labels: np.ndarray, brain: np.ndarray, affine: np.ndarray, scan: Scan, model: Model, rng) -> Scene:
    """Give the labels of a head their properties; veins and lesions are added where the brain is no nucleus."""
    labels = labels.copy()
    free = brain & (tissue_of(labels) < Tissue.NUCLEUS)
    paint_veins(labels, affine, free, rng, model.veins, model.vein_mm)
    for _ in range(model.calcifications):
        paint_lesion(labels, affine, free, rng, Tissue.CALCIFICATION, rng.uniform(2.5, 4.5))
    for _ in range(model.haemorrhages):
        paint_lesion(labels, affine, free, rng, Tissue.HAEMORRHAGE, rng.uniform(5, 9))
    chi, r2star, signal = dict(CHI_PPM), dict(R2STAR_HZ), dict(model.signal)
    chi[Tissue.WHITE] = model.white_ppm
    drawn = {"white_ppm": model.white_ppm}
    for label, (name, side) in nucleus_labels().items():
        code = Tissue.NUCLEUS + label
        chi[code] = NUCLEUS_CHI_PPM[name] * (1 + model.chi_sd * rng.standard_normal())
        iron = model.r2star_per_ppm * chi[code] if model.r2star_per_ppm else rng.uniform(0, 20)
        r2star[code] = 16 + iron + rng.standard_normal()
        signal[code] = model.signal[Tissue.NUCLEUS] * (1 + model.signal_sd * rng.standard_normal())
        drawn[f"{name}_{side}_ppm"] = round(float(chi[code]), 4)
    shape = labels.shape
    grain = np.where(brain, texture(shape, scan.spacing_mm, model.texture_mm, rng), 0)
    shine = np.where(brain, texture(shape, scan.spacing_mm, 2.0, rng), 0)
    tissue = tissue_of(labels)
    chi_ppm = by_tissue(tissue, chi) + np.float32(model.texture_ppm) * grain + np.float32(model.chi_per_signal) * shine
    if model.waves_ppm:
        chi_ppm += np.where(tissue == Tissue.WHITE, np.float32(model.waves_ppm) * random_waves(shape, rng, modes=8), 0)
    return Scene(
        labels=labels,
        brain=brain,
        chi_ppm=chi_ppm,
        r2star_hz=np.float32(model.field_strength) * by_tissue(tissue, r2star),
        signal=by_tissue(tissue, signal) * (1 + np.float32(0.04) * shine),
        tags=tags(model),
        drawn=drawn,
    )


def tags(model: Model) -> tuple[str, ...]:
    """What is special about a head of this model."""
    special = {"veins": model.veins, "calcification": model.calcifications, "haemorrhage": model.haemorrhages}
    return tuple(name for name, count in special.items() if count)
