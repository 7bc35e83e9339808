"""No anatomy: random ellipsoids, boxes and tubes in a smooth blob, with air beside it and a hole in its mask.

Signal and R2* of a shape are drawn without regard to its susceptibility.
"""

import numpy as np

from benchmarks.generators.parts import grid_points, paint_ellipsoid, paint_tube, texture
from benchmarks.generators.scene import Scan, Scene, Tissue
from recon.phantom.shapes import ellipsoid, random_waves

SCAN = Scan(
    te_s=tuple(0.003 * n for n in range(1, 13)), voxel_size_mm=(1.0, 1.0, 1.0), tilt_deg=(20.0, -18.0), snr=20,
    dipole="green",
)  # fmt: skip
SHAPES = 60
FIRST = 60  # label of the first shape
RADIUS_MM = (66.0, 80.0, 62.0)


def build(scan: Scan, rng: np.random.Generator) -> Scene:
    """Draw a phantom."""
    shape, affine = scan.shape(), scan.affine()
    everywhere = tuple(slice(0, n) for n in shape)
    depth = ellipsoid(grid_points(affine, everywhere), (0, 0, 0), RADIUS_MM).reshape(shape) + 5 * random_waves(
        shape, rng
    )
    blob, body = depth < 0, depth < 14
    labels = np.full(shape, Tissue.AIR, np.uint8)
    labels[body] = Tissue.SOFT
    labels[body & (depth < 8)] = Tissue.BONE
    labels[body & (depth < 3)] = Tissue.FLUID
    labels[blob] = Tissue.WHITE
    for _ in range(6):
        at = rng.standard_normal(3)
        centre = np.array(RADIUS_MM) * at / np.linalg.norm(at) * rng.uniform(1.1, 1.25)
        paint_ellipsoid(labels, affine, centre, rng.uniform(6, 16, 3), Tissue.AIR, body & (depth > 2))

    codes = np.arange(FIRST, FIRST + SHAPES)
    inside = np.argwhere(depth < -8)
    for code in codes:
        centre = affine[:3, :3] @ inside[rng.integers(len(inside))] + affine[:3, 3]
        kind, size = rng.integers(3), rng.uniform(2, 14, 3)
        if kind == 0:
            paint_ellipsoid(labels, affine, centre, size, code, blob)
        elif kind == 1:
            low, high = ((centre + s * size - affine[:3, 3]) / scan.spacing_mm for s in (-1, 1))
            box = tuple(slice(max(int(a), 0), int(b) + 1) for a, b in zip(low, high, strict=True))
            labels[box][blob[box]] = code
        else:
            path = centre + np.cumsum(12 * rng.standard_normal((5, 3)), 0)
            paint_tube(labels, affine, path, float(rng.uniform(0.8, 3)), code, blob)
    chi, r2star, signal = np.zeros(256), np.zeros(256), np.zeros(256)
    chi[codes] = np.where(rng.random(SHAPES) < 0.1, rng.uniform(-0.6, 0.6, SHAPES), rng.normal(0, 0.08, SHAPES))
    r2star[codes], signal[codes] = rng.uniform(5, 50, SHAPES), rng.uniform(0.5, 1.2, SHAPES)
    for code, values in {
        Tissue.AIR: (9.4, 0, 0), Tissue.SOFT: (0, 35, 0.8), Tissue.BONE: (-2.1, 100, 0.08),
        Tissue.FLUID: (0, 5, 1.2), Tissue.WHITE: (-0.01, 18, 0.8),
    }.items():  # fmt: skip
        chi[code], r2star[code], signal[code] = values
    chi_ppm = chi.astype(np.float32)[labels]
    chi_ppm[blob] += 0.006 * texture(shape, scan.spacing_mm, 1.5, rng)[blob]
    chi_ppm += np.where(blob, 0.02 * random_waves(shape, rng), 0).astype(np.float32)

    largest = codes[np.argsort([-np.count_nonzero(labels == code) for code in codes])][:14]
    r2star_hz, s0 = r2star.astype(np.float32)[labels], signal.astype(np.float32)[labels]
    named = labels.copy()
    for number, code in enumerate(largest, start=1):  # the regions of the slope
        named[labels == code] = Tissue.NUCLEUS + number
    hole = np.zeros(shape, np.uint8)
    paint_ellipsoid(hole, affine, rng.uniform(-20, 20, 3), rng.uniform(5, 9, 3), 1, blob)
    return Scene(
        labels=named, brain=blob & (hole == 0), chi_ppm=chi_ppm, r2star_hz=r2star_hz, signal=s0,
        tags=("no anatomy", "hole in the mask", "oblique"), drawn={"shape_chi_ppm": chi[codes].round(4).tolist()},
    )  # fmt: skip
