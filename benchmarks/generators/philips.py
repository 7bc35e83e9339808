"""A real head whose susceptibility has little to do with its signal or decay: random veins, independent texture."""

import numpy as np

from benchmarks.generators.anatomical import Model, furnish
from benchmarks.generators.real import label_head, read_head
from benchmarks.generators.scene import Scan, Scene, Tissue

SCAN = Scan(
    te_s=(0.004, 0.009, 0.014, 0.019, 0.024, 0.029), voxel_size_mm=(0.75, 0.75, 1.5), tilt_deg=(8.0, 0.0), snr=60,
    dipole="spectral",
)  # fmt: skip
SIGNAL = {
    Tissue.SOFT: 0.9, Tissue.BONE: 0.1, Tissue.FLUID: 0.95, Tissue.GREY: 0.9, Tissue.WHITE: 0.8, Tissue.DEEP: 0.85,
    Tissue.VEIN: 0.85, Tissue.NUCLEUS: 0.85,
}  # fmt: skip


def build(scan: Scan, rng: np.random.Generator) -> Scene:
    """Label the head and draw its tissue."""
    head = read_head("philips_mprage_1mm")
    affine = scan.affine(tuple(np.linalg.inv(head.to_mni) @ (0, -17, 4, 1))[:3])
    labels, brain = label_head(head, affine, scan.shape(), ("bigbrain", "cit168"))
    model = Model(
        signal=SIGNAL, r2star_per_ppm=0, texture_ppm=0.012, texture_mm=0.8, veins=140, vein_mm=0.9,
        white_ppm=float(rng.uniform(-0.04, 0.0)), chi_sd=0.5,
    )  # fmt: skip
    return furnish(labels, brain, affine, scan, model, rng)
