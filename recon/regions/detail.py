r"""Whether an image shows the brain that a template shows, or an object of its size: a phantom, a bottle, a fruit.

Outline and shading of any round object resemble those of a brain, and a registration makes the most of it. What only a
brain has is where its tissues lie. Image and template are rid of a quadratic shading and of what varies over more than
`COARSE_MM`, and looked at deeper than `RIM_MM` below the surface of the mask. The correlation ratio

.. math:: \eta^2 = \operatorname{Var}(E[s | t]) / \operatorname{Var}(s)

of image s on template t (in bins, so that any contrast counts) is compared with the largest of three turned templates:
front to back, head to foot, and both. Of generated heads of seven kinds (SYNTHETIC DATA; T1w, inverted and late-echo
contrast, shaded, noisy, turned, halves, slabs of 20 and 45 mm) that the registration brought to their place
:math:`\eta^2` is 0.10 to 0.76, 5 to 42 times that of turned templates; of heads that it misplaced (masks that leak,
slabs that it turned over) 0.00 to 0.14 and 0.0 to 4. Of 33 phantoms (balls, cylinders and bottles with and without
vials, shaded and in layers, blobs, slabs ex vivo, a mouse) either :math:`\eta^2` is 0.05 at most, or it is no more than
1.4 times that of turned templates.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import ndimage

COARSE_MM = 9.0  # standard deviation of the Gaussian that takes what varies slowly
RIM_MM = 6.0
BINS = 12
LEAST_VOXELS = 200  # of the depth, below which nothing is said
TURNS = ((1,), (2,), (1, 2))  # axes of the template along which it is turned: y, z
LEAST_DETAIL, LEAST_RATIO = 0.06, 2.5


class Detail(NamedTuple):
    """How much of an image's detail the template explains, see above; NaN where the brain is too thin to tell.

    Parameters
    ----------
    explained : correlation ratio of the image on the template
    by_turned : the largest of the same on turned templates
    """

    explained: float
    by_turned: float

    @property
    def of_a_brain(self) -> bool:
        """Whether the image shows what the template shows."""
        return self.explained >= max(LEAST_DETAIL, LEAST_RATIO * self.by_turned)


def turned(template: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """A template (X, Y, Z) mirrored along axes, what is not zero about its own centre; whole voxels."""
    mirrored = np.flip(template, axes)
    shift = [a - b for a, b in zip(_middle(template), _middle(mirrored), strict=True)]
    return ndimage.shift(mirrored, np.rint(shift), order=0)


def _middle(image: np.ndarray) -> tuple[float, ...]:
    return ndimage.center_of_mass(image > 0)


def detail(
    image: np.ndarray, templates: Sequence[np.ndarray], brain: np.ndarray, in_view: np.ndarray, voxel_mm: float
) -> Detail:
    """Compare an image with the template and with turned ones.

    Parameters
    ----------
    image : (X, Y, Z) array
    templates : the template on its grid, then turned ones
    brain : (X, Y, Z) bool array
    in_view : (X, Y, Z) bool array, voxels that were imaged: where the field of view ends a brain has no surface
    voxel_mm : edge of a voxel, the same along each axis
    """
    known = brain & in_view & (templates[0] > 0)
    depth_mm = ndimage.distance_transform_edt(np.pad(brain | ~in_view, 1, constant_values=True)) * voxel_mm
    deep = known & (depth_mm[1:-1, 1:-1, 1:-1] > RIM_MM)
    if np.count_nonzero(deep) < LEAST_VOXELS:
        return Detail(np.nan, np.nan)
    low, high = np.percentile(image[known], [1, 99])
    of_image = _fine(np.clip(image, low, high), known, voxel_mm)[deep]
    ratios = [_correlation_ratio(of_image, _fine(template, known, voxel_mm)[deep]) for template in templates]
    return Detail(ratios[0], max(ratios[1:]))


def _fine(image: np.ndarray, known: np.ndarray, voxel_mm: float) -> np.ndarray:
    """What varies within `COARSE_MM` in the known part of an image, which a quadratic shading leaves first."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij", sparse=True)
    powers = [p for p in product(range(3), repeat=3) if sum(p) <= 2]
    shades = np.stack([np.broadcast_to(_monomial(axes, p), image.shape)[known] for p in powers], axis=1)
    flat = np.zeros(image.shape)
    flat[known] = image[known] - shades @ np.linalg.lstsq(shades, image[known], rcond=None)[0]
    weight = ndimage.gaussian_filter(known.astype(float), COARSE_MM / voxel_mm)
    return flat - ndimage.gaussian_filter(flat, COARSE_MM / voxel_mm) / np.maximum(weight, np.finfo(float).eps)


def _monomial(axes: Sequence[np.ndarray], powers: Sequence[int]) -> np.ndarray:
    return axes[0] ** powers[0] * axes[1] ** powers[1] * axes[2] ** powers[2]


def _correlation_ratio(values: np.ndarray, of: np.ndarray) -> float:
    """Share of the variance of (N,) values between the bins of equal number of another (N,) array."""
    bins = np.digitize(of, np.quantile(of, np.linspace(0, 1, BINS + 1)[1:-1]))
    count = np.bincount(bins, minlength=BINS)
    mean = np.bincount(bins, values, minlength=BINS) / np.maximum(count, 1)
    between = np.sum(count * (mean - values.mean()) ** 2)
    return float(between / max(np.sum((values - values.mean()) ** 2), np.finfo(float).tiny))
