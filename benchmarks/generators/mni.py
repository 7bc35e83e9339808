"""The MNI template and label sets: bright fluid, R2* that follows susceptibility, smooth changes in white matter."""

import numpy as np
from scipy import ndimage

from benchmarks.generators.anatomical import Model, furnish
from benchmarks.generators.parts import FAR_MM, mark_finer, paint_ellipsoid, paint_label_set, sample
from benchmarks.generators.real import paint_dentate
from benchmarks.generators.scene import Scan, Scene, Tissue
from recon.files.io import Volume
from recon.regions.template import read_template

SCAN = Scan(
    te_s=(0.005, 0.010, 0.015, 0.020, 0.025), voxel_size_mm=(1.0, 1.0, 1.0), snr=100, dipole="spectral",
)  # fmt: skip
SIGNAL = {
    Tissue.SOFT: 0.8, Tissue.BONE: 0.05, Tissue.FLUID: 1.3, Tissue.GREY: 1.0, Tissue.WHITE: 0.85, Tissue.DEEP: 0.95,
    Tissue.VEIN: 0.9, Tissue.NUCLEUS: 0.9,
}  # fmt: skip
MIDDLE_MM = (0.0, -17.0, 8.0)
# centre and semi-axes [mm, MNI] of air beside the brain, both sides where x is not 0
AIR_MM = [
    ((14, 72, -14), (12, 8, 10)),
    ((0, 30, -44), (16, 26, 12)),
    ((62, -32, -48), (9, 12, 9)),
    ((0, 14, -80), (14, 10, 30)),
]


def build(scan: Scan, rng: np.random.Generator) -> Scene:
    """Label the template, changed by a random affine map, and draw its tissue."""
    to_mni = np.eye(4)
    to_mni[:3, :3] += np.diag(rng.normal(0.06, 0.02, 3)) + rng.normal(0, 0.02, (3, 3))
    affine, shape = scan.affine(tuple(np.linalg.solve(to_mni, (*MIDDLE_MM, 1)))[:3]), scan.shape()
    labels, brain = label_template(affine, to_mni, shape, ("cit168", "bigbrain"))
    model = Model(
        signal=SIGNAL, r2star_per_ppm=150, chi_per_signal=0.005, texture_ppm=0.003, waves_ppm=0.012, veins=50,
        vein_mm=0.7,
    )  # fmt: skip
    return furnish(labels, brain, affine, scan, model, rng)


def label_template(
    affine: np.ndarray, to_mni: np.ndarray, shape: tuple[int, int, int], label_sets: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the template's brain in a skull of even thickness with air beside it, and the brain."""
    t1 = read_template("t1")
    inside = ndimage.binary_fill_holes(t1.data > 0)
    signed = ndimage.distance_transform_edt(~np.pad(inside, 30)) - ndimage.distance_transform_edt(np.pad(inside, 30))
    padded = t1.affine.copy()
    padded[:3, 3] -= 30 * np.diag(t1.affine)[:3]
    surface = Volume(data=signed.astype(np.float32), affine=padded)
    distance = sample(surface, to_mni @ affine, shape, outside=FAR_MM)
    grey, white = (sample(Volume(data=v.data.astype(np.float32) / 255, affine=v.affine), to_mni @ affine, shape)
                   for v in map(read_template, ("gm", "wm")))  # fmt: skip
    brain = distance < 0
    labels = np.full(shape, Tissue.AIR, np.uint8)
    paint_ellipsoid(labels, affine, (0, -40, -90), (60, 62, 80), Tissue.SOFT, np.ones(shape, bool))
    paint_ellipsoid(labels, affine, (0, 42, -60), (60, 52, 70), Tissue.SOFT, np.ones(shape, bool))
    labels[distance < 16] = Tissue.SOFT
    labels[distance < 8] = Tissue.BONE
    for centre, semi in AIR_MM:
        for side in (1, -1) if centre[0] else (1,):
            paint_ellipsoid(labels, affine, np.array(centre) * (side, 1, 1), semi, Tissue.AIR, distance > 2.5)
    labels[distance < 2] = Tissue.FLUID
    tissue = brain & (grey + white > 0.5)
    labels[tissue] = np.where(white > grey, Tissue.WHITE, Tissue.GREY)[tissue]
    deep = distance < -8
    for name in label_sets:
        paint_label_set(labels, affine, to_mni, name, deep)
    paint_dentate(labels, affine, to_mni, deep)
    mark_finer(labels, affine, to_mni, label_sets[-1])
    return labels, brain
