"""A real head in thick slices at 1.5 T, myelin strongly diamagnetic or, against the rule, paramagnetic; lesions."""

import numpy as np

from benchmarks.generators.anatomical import Model, furnish
from benchmarks.generators.real import label_head, read_head
from benchmarks.generators.scene import Scan, Scene, Tissue

SCAN = Scan(
    te_s=(0.012, 0.024, 0.036), b0_tesla=1.5, voxel_size_mm=(1.0, 1.0, 3.0), finer=(2, 2, 3), tilt_deg=(0.0, 14.0),
    snr=30, dipole="difference",
)  # fmt: skip
SIGNAL = {
    Tissue.SOFT: 1.2, Tissue.BONE: 0.1, Tissue.FLUID: 0.35, Tissue.GREY: 0.75, Tissue.WHITE: 1.0, Tissue.DEEP: 0.85,
    Tissue.VEIN: 0.9, Tissue.CALCIFICATION: 0.2, Tissue.HAEMORRHAGE: 0.7, Tissue.NUCLEUS: 0.85,
}  # fmt: skip


def build(scan: Scan, rng: np.random.Generator) -> Scene:
    """Label the head and draw its tissue."""
    head = read_head("siemens_t1w_2mm")
    affine = scan.affine(tuple(np.linalg.inv(head.to_mni) @ (0, -17, 4, 1))[:3])
    labels, brain = label_head(head, affine, scan.shape(), ("bigbrain",))
    model = Model(
        signal=SIGNAL, white_ppm=float(rng.choice([-0.07, 0.04])), chi_per_signal=-0.006, r2star_per_ppm=60,
        texture_ppm=0.004, veins=40, vein_mm=1.1, calcifications=2, haemorrhages=1, field_strength=0.6,
    )  # fmt: skip
    return furnish(labels, brain, affine, scan, model, rng)
