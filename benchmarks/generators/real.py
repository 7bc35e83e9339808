"""A real T1-weighted head as labels: brain, fluid, grey and white matter from its contrast, nuclei from a label set."""

from dataclasses import dataclass
from functools import cache

import nibabel
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from benchmarks.generators.parts import FAR_MM, data_file, mark_finer, paint_label_set, sample
from benchmarks.generators.scene import Tissue
from recon.files.io import Volume
from recon.regions.nuclei import label_nuclei
from recon.regions.template import read_template

WORK_MM = 2.0
SCALP_MM = 13.0  # from the top of the head to that of the brain
TEMPLATE_TOP_MM, TEMPLATE_MIDDLE_MM = 80.0, (0.0, -17.0)
HEAD_LEVEL = 0.1  # of the 98th percentile: above is head
LEAST_SHARE = 0.02  # of tissue about a place whose shading is known
BRIGHTEST = 2.0  # times the mean of the tissue about it
DARK = 0.3  # of white matter: below are bone and air
SHADING_MM = 20.0
CLASSES = 3
FLUID_MM = 2.5  # about the brain


@dataclass(frozen=True, kw_only=True)
class RealHead:
    """A head in its own coordinates, RAS+ mm.

    Parameters
    ----------
    image : T1-weighted, shading removed, white matter about 1
    to_mni : (4, 4) mm → MNI mm
    levels : (2,) intensities between fluid, grey and white matter
    surfaces : signed distances [mm] to brain, body, bone and air, negative inside
    """

    image: Volume
    to_mni: np.ndarray
    levels: tuple[float, float]
    surfaces: dict[str, Volume]


@cache
def read_head(name: str) -> RealHead:
    """Read one of ``whole_heads``, remove its shading, place it in MNI space, and find the levels of its tissues."""
    picture = nibabel.as_closest_canonical(nibabel.load(data_file("whole_heads", f"{name}.nii.gz")))
    raw = Volume(data=np.asarray(picture.dataobj, np.float32), affine=picture.affine)
    affine, shape = working_grid(raw)
    values = sample(raw, affine, shape)
    usual = float(np.median(values[values > HEAD_LEVEL * np.percentile(values, 98)]))
    tissue = values > usual / 3
    shading = smoothed(np.minimum(values, 1.5 * usual) * tissue) / np.maximum(smoothed(tissue), LEAST_SHARE)
    shading = np.maximum(shading, usual / 5)
    spread = sample(Volume(data=shading, affine=affine), raw.affine, raw.data.shape)
    image = Volume(data=np.minimum(raw.data / np.maximum(spread, usual / 5), BRIGHTEST), affine=raw.affine)
    values = np.minimum(values / shading, BRIGHTEST)
    to_mni = register_head(values, affine)
    brain = template_brain(to_mni, affine, shape) > 0.5
    levels = class_levels(values[ball(brain, 4.0, grow=False)])
    return RealHead(image=image, to_mni=to_mni, levels=levels, surfaces=surfaces(values, affine, to_mni, levels))


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean about each place of the working grid, over the reach of the shading."""
    return ndimage.gaussian_filter(values.astype(np.float32), SHADING_MM / WORK_MM, truncate=3)


def class_levels(values: np.ndarray) -> tuple[float, float]:
    """Thresholds between three classes of intensity, midway between the means that k-means finds."""
    centres = np.percentile(values, [5, 45, 85])
    for _ in range(50):
        edges = (centres[1:] + centres[:-1]) / 2
        which = np.digitize(values, edges)
        centres = np.array([values[which == c].mean() for c in range(CLASSES)])
    low, high = (centres[1:] + centres[:-1]) / 2
    return float(low), float(high)


def working_grid(volume: Volume) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Affine and shape of the axis-parallel grid of `WORK_MM` that holds a volume."""
    size = np.array(volume.data.shape)
    corners = np.array([volume.affine[:3, :3] @ (size * pick) + volume.affine[:3, 3] for pick in np.ndindex(2, 2, 2)])
    affine = np.diag([WORK_MM] * 3 + [1.0])
    affine[:3, 3] = corners.min(0)
    nx, ny, nz = np.ceil(np.ptp(corners, axis=0) / WORK_MM).astype(int)
    return affine, (int(nx), int(ny), int(nz))


def _sitk(values: np.ndarray, affine: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing([float(affine[i, i]) for i in range(3)])
    image.SetOrigin([float(x) for x in affine[:3, 3]])
    return image


def register_head(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Affine (4, 4), head mm → MNI mm: the template's brain with a shell about it, by mutual information.

    The first guess puts the top of the head where the template's would be. `values` are on the working grid.
    """
    moving = _sitk(values, affine)
    solid = ndimage.binary_opening(values > 0.4, iterations=2)
    points = np.argwhere(solid) * WORK_MM + affine[:3, 3]
    top = np.percentile(points[:, 2], 99.9)
    upper = points[points[:, 2] > top - 110]
    middle = (upper.min(0) + upper.max(0)) / 2

    template = read_template("t1")
    place = np.diag([WORK_MM] * 3 + [1.0])
    place[:3, 3] = template.affine[:3, 3]
    extent = tuple(int(n * template.affine[i, i] / WORK_MM) for i, n in enumerate(template.data.shape))
    fixed = _sitk(sample(template, place, extent), place)
    near = ndimage.binary_dilation(sitk.GetArrayFromImage(fixed) > 0, iterations=3)
    near_image = sitk.GetImageFromArray(near.astype(np.uint8))
    near_image.CopyInformation(fixed)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    guess = sitk.AffineTransform(3)  # MNI → head
    guess.SetCenter([*TEMPLATE_MIDDLE_MM, 10.0])
    guess.SetTranslation(
        [middle[0] - TEMPLATE_MIDDLE_MM[0], middle[1] - TEMPLATE_MIDDLE_MM[1], top - SCALP_MM - TEMPLATE_TOP_MM]
    )
    guess.Scale(0.92)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(near_image)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-2, 80, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([6.0, 3.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(guess, inPlace=True)
    method.Execute(fixed, moving)
    to_head = np.eye(4)
    matrix, centre = np.array(guess.GetMatrix()).reshape(3, 3), np.array(guess.GetCenter())
    to_head[:3, :3] = matrix
    to_head[:3, 3] = centre + np.array(guess.GetTranslation()) - matrix @ centre
    return np.linalg.inv(to_head)


def template_brain(to_mni: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Share of the template's brain at each place of a grid."""
    template = read_template("t1")
    inside = Volume(data=(template.data > 0).astype(np.float32), affine=template.affine)
    return sample(inside, to_mni @ affine, shape)


def ball(mask: np.ndarray, radius_mm: float, grow: bool) -> np.ndarray:
    """A mask on the working grid, dilated or eroded by a ball."""
    distance = ndimage.distance_transform_edt(~mask if grow else mask, WORK_MM)
    return distance <= radius_mm if grow else distance > radius_mm


def depth(mask: np.ndarray, affine: np.ndarray) -> Volume:
    """Signed distance [mm] to the surface of a mask on the working grid, negative inside."""
    signed = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    return Volume(data=(WORK_MM * signed).astype(np.float32), affine=affine)


def surfaces(
    values: np.ndarray, affine: np.ndarray, to_mni: np.ndarray, levels: tuple[float, float]
) -> dict[str, Volume]:
    """Signed distances [mm] to brain, body, bone and air.

    Brain is what exceeds fluid within the template's reach, in one piece, with its furrows and ventricles. Of what is
    dark in the rest of the body, thick parts are air and thin ones bone.
    """
    low, high = levels
    reach = template_brain(to_mni, affine, values.shape) > 0.5
    bright = (values > low) & (values < 1.5 * high) & ball(reach, 4.0, grow=True)
    pieces, count = ndimage.label(ball(bright, 2.5, grow=False))
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel(), minlength=count + 1)[1:])
    brain = ball(largest, 3.5, grow=True) & bright
    brain = ball(ball(brain | ball(reach, 6.0, grow=False), 5.0, grow=True), 5.0, grow=False)
    brain = ndimage.binary_fill_holes(brain)
    body = ball(ball((values > 0.4) | brain, 6.0, grow=True), 6.0, grow=False)
    body = ndimage.binary_fill_holes(body)
    dark = body & (values < DARK) & ~brain
    air = dark & ball(ball(dark, 2.5, grow=False), 2.5, grow=True) & ~ball(brain, 2.5, grow=True)
    return {
        name: depth(mask, affine) for name, mask in (("brain", brain), ("body", body), ("bone", dark), ("air", air))
    }


def label_head(
    head: RealHead, affine: np.ndarray, shape: tuple[int, int, int], label_sets: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a head on an axis-parallel grid, and its brain; tissues in the brain by intensity."""
    distance = {name: sample(volume, affine, shape, outside=FAR_MM) for name, volume in head.surfaces.items()}
    image = sample(head.image, affine, shape)
    brain = distance["brain"] < 0
    labels = np.full(shape, Tissue.AIR, np.uint8)
    body = distance["body"] < 0
    labels[body] = Tissue.SOFT
    labels[body & ((distance["bone"] < 0) | (distance["brain"] < 5))] = Tissue.BONE
    labels[distance["air"] < 0] = Tissue.AIR
    labels[distance["brain"] < FLUID_MM] = Tissue.FLUID
    labels[brain] = np.digitize(image[brain], head.levels).astype(np.uint8) + Tissue.FLUID
    deep = distance["brain"] < -8
    for name in label_sets:
        paint_label_set(labels, affine, head.to_mni, name, deep)
    paint_dentate(labels, affine, head.to_mni, deep)
    mark_finer(labels, affine, head.to_mni, label_sets[-1])
    return labels, brain


def paint_dentate(labels: np.ndarray, affine: np.ndarray, to_mni: np.ndarray, where: np.ndarray) -> None:
    """Write the dentate nuclei, which no label set has, as the ellipsoids of the project's table."""
    index = np.argwhere(where & (labels < Tissue.NUCLEUS))
    combined = to_mni @ affine
    points = index @ combined[:3, :3].T + combined[:3, 3]
    low = (points[:, 2] < -25) & (np.abs(points[:, 0]) < 30)
    found = label_nuclei(points[low])
    chosen = index[low][found >= 13]
    labels[tuple(chosen.T)] = Tissue.NUCLEUS + found[found >= 13]
