"""A head at 7 T in four echoes: the real head mirrored and bent, large air spaces, fast decay, strong receive phase."""

import numpy as np
from scipy import ndimage

from benchmarks.generators.anatomical import Model, furnish
from benchmarks.generators.philips import SIGNAL
from benchmarks.generators.real import label_head, read_head
from benchmarks.generators.scene import Scan, Scene, Tissue
from recon.phantom.shapes import random_waves

SCAN = Scan(
    te_s=(0.004, 0.012, 0.020, 0.028), b0_tesla=7.0, voxel_size_mm=(0.8, 0.8, 0.8), tilt_deg=(-10.0, 5.0), snr=40,
    receive_rad=1.5, shading=0.35, dipole="spectral",
)  # fmt: skip
BEND_MM = 4.0


def build(scan: Scan, rng: np.random.Generator) -> Scene:
    """Label the head, mirror and bend it, and draw its tissue."""
    head = read_head("philips_mprage_1mm")
    affine = scan.affine(tuple(np.linalg.inv(head.to_mni) @ (0, -17, 4, 1))[:3])
    labels, brain = label_head(head, affine, scan.shape(), ("cit168", "bigbrain"))
    shape = labels.shape
    index = [
        grid + np.float32(BEND_MM / v) * random_waves(shape, rng)
        for grid, v in zip(np.ogrid[tuple(slice(n) for n in shape)], scan.spacing_mm, strict=True)
    ]
    labels, brain = (
        ndimage.map_coordinates(volume[::-1], index, order=0, mode="nearest") for volume in (labels, brain)
    )
    left = (labels > Tissue.NUCLEUS) & (labels % 2 == 1)  # odd labels are left
    right = (labels > Tissue.NUCLEUS) & (labels % 2 == 0)
    labels[left] += 1
    labels[right] -= 1
    model = Model(
        signal=SIGNAL, white_ppm=-0.035, chi_sd=0.4, r2star_per_ppm=90, texture_ppm=0.008, texture_mm=0.8,
        veins=120, vein_mm=0.8, calcifications=1, field_strength=1.7,
    )  # fmt: skip
    return furnish(labels, brain, affine, scan, model, rng)
