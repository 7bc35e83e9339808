"""Affine registration of a brain to the MNI152 template that ships with nilearn."""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from recon.files.io import Volume
from recon.maths.boxes import bounding_box, grown
from recon.regions.detail import TURNS, Detail, detail, turned
from recon.regions.nuclei import rotation
from recon.regions.template import read_template

CORE_PROBABILITY = 0.9  # of white matter, from which a voxel of the template is surely that
CORE_DEPTH_MM = 2  # what is shaved off white matter, so that a small misregistration does not leave it
GRID_MM = 3.0
TRUNCATED = 4.0  # standard deviations at which a Gaussian filter ends
SURROUND_MM = 9.0  # what lies around the brain takes part, so that its outline counts
SMOOTHING_MM = (6.0, 3.0, 0.0)
SHRINKING = (3, 2, 1)
BINS = 32
ITERATIONS = 100
TURN_DEG, CLEARLY = 15.0, 1.05  # of first guesses about each axis; by which factor of information one must be better
SCALE_RANGE = (0.7, 1.4)  # of the size of the template, for the first guess
SIZES = (0.5, 2.0)  # volume of the template over that of an adult's brain


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Where a brain lies in MNI space, and how well it fits.

    Attributes
    ----------
    subject_to_mni : (4, 4) array
        Scanner coordinates (mm, RAS+) to MNI coordinates (mm, RAS+).
    mutual_information : float
        Mattes mutual information at the end, nats; larger is better.
    correlation : float
        Between the brain and the template inside the mask; negative where the contrast is inverted.
    detail : Detail
        What tells a brain from an object of its size.
    """

    subject_to_mni: np.ndarray
    mutual_information: float
    correlation: float
    detail: Detail

    @property
    def determinant(self) -> float:
        """Volume of the template over volume of the subject."""
        return float(np.linalg.det(self.subject_to_mni[:3, :3]))

    @property
    def plausible(self) -> bool:
        """Whether a brain was found: it shows what the template shows, nothing is mirrored, its size is an adult's."""
        return SIZES[0] <= self.determinant <= SIZES[1] and self.detail.of_a_brain

    def found(self) -> str:
        """What was found in place of a brain, for messages."""
        if np.isnan(self.detail.explained):
            alike = "too little of the image inside the mask to tell"
        else:
            explained, turned_by = (f"{100 * share:.0f} %" for share in self.detail)
            alike = f"the template explains {explained} of the image's detail, turned over {turned_by}"
        return f"{alike}; volume ratio {self.determinant:.2f}"

    def summary(self) -> dict:
        """Quality for a sidecar: plain numbers under CamelCase names."""
        return {
            "MutualInformation": round(self.mutual_information, 4),
            "Correlation": round(self.correlation, 4),
            "ExplainedDetail": _rounded(self.detail.explained),
            "ExplainedByTurnedTemplate": _rounded(self.detail.by_turned),
            "Determinant": round(self.determinant, 4),
            "SubjectToMNI": self.subject_to_mni.round(5).tolist(),
        }


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


@cache
def _target() -> Volume:
    return read_template("t1")


@cache
def read_white_matter() -> Volume:
    """The core of the template's white matter, 1 inside: far enough from cortex, nuclei and ventricles."""
    template = read_template("wm")
    sure = template.data > CORE_PROBABILITY * template.data.max()
    core = ndimage.binary_erosion(sure, iterations=CORE_DEPTH_MM)  # voxels of 1 mm
    return Volume(data=core.astype(np.float32), affine=template.affine)


def _on_grid(data: np.ndarray, affine: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Resample to axis-aligned isotropic voxels over the field of view: data, coordinates of voxel 0 [mm].

    Voxels that lie outside the original field of view are NaN.
    """
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in data.shape])).reshape(3, -1)
    corners_mm = affine[:3, :3] @ corners + affine[:3, 3:]
    origin_mm = corners_mm.min(axis=1)
    shape = tuple(np.ceil(np.ptp(corners_mm, axis=1) / GRID_MM).astype(int) + 1)
    to_voxel = np.linalg.inv(affine)
    voxel_size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    blurred = _blurred(data, 0.4 * np.maximum(GRID_MM / voxel_size_mm - 1, 0)) if order else data
    grid = ndimage.affine_transform(
        blurred,
        to_voxel[:3, :3] * GRID_MM,
        to_voxel[:3, :3] @ origin_mm + to_voxel[:3, 3],
        output_shape=shape,
        order=order,
        mode="constant",
        cval=np.nan,
    )
    return grid, origin_mm


def _blurred(data: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """A Gaussian filter of (3,) sigma [voxels] where it reaches anything but zeros."""
    if not data.any():
        return data
    reached = grown(bounding_box(data != 0), np.ceil(TRUNCATED * sigma).astype(int).tolist())
    blurred = np.zeros_like(data)
    blurred[reached] = ndimage.gaussian_filter(data[reached], sigma, truncate=TRUNCATED)
    return blurred


def _to_sitk(data: np.ndarray, origin_mm: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing([GRID_MM] * 3)
    image.SetOrigin([float(x) for x in origin_mm])
    return image


def _moments(mask: np.ndarray, origin_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (3,) and standard deviation (3,) of the voxels of a mask along the axes, mm."""
    position_mm = np.argwhere(mask) * GRID_MM + origin_mm
    return position_mm.mean(axis=0), position_mm.std(axis=0)


def _first_guess(
    brain: np.ndarray,
    inside: np.ndarray,
    origin_mm: np.ndarray,
    template: np.ndarray,
    template_origin_mm: np.ndarray,
) -> sitk.AffineTransform:
    """Centre on centre; size on size along the axes on which the field of view does not cut the brain."""
    centre_mm, size_mm = _moments(brain, origin_mm)
    template_centre_mm, template_size_mm = _moments(template > 0, template_origin_mm)
    rim = ndimage.binary_erosion(inside, border_value=0) ^ inside
    cut = np.array([np.mean((brain & rim).any(axis=axis)) for axis in range(3)])
    whole = cut < 0.02
    ratio = np.where(whole, np.clip(template_size_mm / size_mm, *SCALE_RANGE), 1.0)
    guess = sitk.AffineTransform(3)
    guess.SetCenter(centre_mm.tolist())
    guess.SetTranslation((template_centre_mm - centre_mm).tolist())
    guess.SetMatrix(np.diag(ratio).ravel().tolist())
    return guess


def _turned(
    guess: sitk.AffineTransform, fixed: sitk.Image, moving: sitk.Image, sampled: sitk.Image
) -> sitk.AffineTransform:
    """The first guess, or the same turned by `TURN_DEG` about some of the axes where that alone fits clearly better."""
    coarse = [sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, SMOOTHING_MM[0]), [SHRINKING[0]] * 3)
              for image in (fixed, moving)]  # fmt: skip
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(sitk.Shrink(sampled, [SHRINKING[0]] * 3) > 0.5)
    method.SetInterpolator(sitk.sitkLinear)

    def fit(transform: sitk.AffineTransform) -> float:
        method.SetInitialTransform(transform, inPlace=False)
        return -method.MetricEvaluate(*coarse)

    guesses = []
    for angles_deg in product((0.0, -TURN_DEG, TURN_DEG), repeat=3):
        other = sitk.AffineTransform(guess)
        other.SetMatrix((np.array(guess.GetMatrix()).reshape(3, 3) @ rotation(*angles_deg)).ravel().tolist())
        guesses.append(other)
    fits = [fit(each) for each in guesses]
    best = int(np.argmax(fits))
    return guesses[best] if fits[best] > CLEARLY * fits[0] else guess


def register(image: np.ndarray, affine: np.ndarray, mask: np.ndarray) -> Registration:
    """Register a brain to the template.

    Parameters
    ----------
    image : (X, Y, Z) array
        Any contrast, any unit; best T1-weighted.
    affine : (4, 4) array
        Voxel indices to scanner coordinates, mm, RAS+; any orientation.
    mask : (X, Y, Z) bool array
        Brain.

    Returns
    -------
    Registration

    Notes
    -----
    Twelve parameters that maximise the Mattes mutual information (doi:10.1109/TMI.2003.809072) on three
    levels of resolution; one thread and all samples, so that the result repeats.
    """
    mask = np.asarray(mask, bool)
    measured = mask & np.isfinite(image)
    if not measured.any():
        raise ValueError("registration: expected a brain mask with measured voxels, found none")
    low, high = np.percentile(image[measured], [1, 99])
    if not high > low:
        raise ValueError(f"registration: expected contrast in the brain, found {low:g} throughout")
    brain = np.where(mask, np.clip(np.nan_to_num(image, nan=low), low, high) / high, 0).astype(np.float32)
    subject, origin_mm = _on_grid(brain, affine, order=1)
    inside_brain = np.nan_to_num(_on_grid(mask.astype(np.float32), affine, order=1)[0]) > 0.5
    in_view = np.isfinite(subject)
    template = _target()
    moving, moving_origin_mm = _on_grid(template.data, template.affine, order=1)
    moving = np.nan_to_num(moving)
    sampled = in_view & (ndimage.distance_transform_edt(~inside_brain) * GRID_MM <= SURROUND_MM)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    fixed_image, moving_image = (
        _to_sitk(np.nan_to_num(subject), origin_mm),
        _to_sitk(moving, moving_origin_mm),
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(_to_sitk(sampled.astype(np.uint8), origin_mm))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-2, numberOfIterations=ITERATIONS, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(SHRINKING))
    method.SetSmoothingSigmasPerLevel(list(SMOOTHING_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    straight = _first_guess(inside_brain, in_view, origin_mm, moving, moving_origin_mm)
    transform = _turned(straight, fixed_image, moving_image, _to_sitk(sampled.astype(np.float32), origin_mm))
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed_image, moving_image)

    def warped(data: np.ndarray) -> np.ndarray:
        image = sitk.Resample(_to_sitk(data, moving_origin_mm), fixed_image, transform)
        return sitk.GetArrayFromImage(image).T  # a view would outlive it

    measured_image = np.nan_to_num(subject)
    templates = [warped(data) for data in (moving, *(turned(moving, axes) for axes in TURNS))]
    correlation = np.corrcoef(templates[0][inside_brain], measured_image[inside_brain])[0, 1]
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre_mm, shift_mm = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    subject_to_mni = np.eye(4)
    subject_to_mni[:3, :3] = matrix
    subject_to_mni[:3, 3] = centre_mm + shift_mm - matrix @ centre_mm
    return Registration(
        subject_to_mni=subject_to_mni,
        mutual_information=-float(method.GetMetricValue()),
        correlation=float(correlation),
        detail=detail(measured_image, templates, inside_brain, in_view, GRID_MM),
    )
