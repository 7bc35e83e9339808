"""The paper's augmentations, each drawn from (seed, epoch, image) alone.

The paper gives names and probabilities; the limits are those of albumentations, which it cites. A draw does
not depend on workers, on the order of images or on where a run was resumed. `qnet.images.augment_batch` does the
same on a GPU.
"""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Probabilities and limits of the random changes; images have values in [0, 1]."""

    horizontal_flip: float  # probability, as all that have no unit below
    vertical_flip: float
    brightness_contrast: float
    brightness_limit: float  # of the full range, added
    contrast_limit: float  # about a slope of 1
    gamma: float
    gamma_range: tuple[float, float]  # exponents
    grid_distortion: float
    grid_steps: int  # cells along a side
    grid_limit: float  # of a cell
    shift_scale_rotate: float
    shift_limit: float  # of the side
    scale_limit: float  # about a scale of 1
    rotate_limit_deg: float
    noise: float
    noise_sd: float  # of the full range: with `window`, of the window
    crop_fraction: float  # of the side; always


def seed_of(*keys: int) -> int:
    """One well-mixed 32-bit seed for a tuple of non-negative integers."""
    return int(np.random.SeedSequence(keys).generate_state(1)[0])


def crop_size(size: int, params: Augmentation) -> int:
    """Side of the crop [pixels] of an image of side `size`."""
    return round(params.crop_fraction * size)


def centre_crop(images: Any, params: Augmentation) -> Any:
    """The crop of the test phase, without chance: a view (…, C, C) of an array or tensor (…, S, S)."""
    side = crop_size(images.shape[-1], params)
    start = (images.shape[-1] - side) // 2
    return images[..., start : start + side, start : start + side]


def pipeline(size: int, params: Augmentation) -> Any:  # albumentations.Compose
    """The random changes of images of side `size`, in the order of the paper, noise before the crop.

    Beyond its border an image is mirrored, as in albumentations when the paper was written: zeros would be
    tissue of -0.1 ppm.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import asks the network for news
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)
    mirror, side = cv2.BORDER_REFLECT_101, crop_size(size, params)
    return A.Compose(
        [
            A.HorizontalFlip(p=params.horizontal_flip),
            A.VerticalFlip(p=params.vertical_flip),
            A.RandomBrightnessContrast(params.brightness_limit, params.contrast_limit, p=params.brightness_contrast),
            A.RandomGamma(tuple(100 * gamma for gamma in params.gamma_range), p=params.gamma),  # per cent
            A.GridDistortion(params.grid_steps, params.grid_limit, border_mode=mirror, p=params.grid_distortion),
            A.Affine(
                translate_percent=(-params.shift_limit, params.shift_limit),
                scale=(1 - params.scale_limit, 1 + params.scale_limit),
                rotate=(-params.rotate_limit_deg, params.rotate_limit_deg),
                keep_ratio=True,  # one scale for both axes
                border_mode=mirror,
                p=params.shift_scale_rotate,
            ),
            A.GaussNoise((params.noise_sd, params.noise_sd), p=params.noise),
            A.RandomCrop(side, side, p=1),
        ]
    )


def augment(
    images: np.ndarray | Mapping[int, np.ndarray], index: Any, seed: int, epoch: int, transform: Any
) -> np.ndarray:
    """Augment the images `index` of one epoch.

    Parameters
    ----------
    images : (N, 3, S, S) float array in [0, 1], or some of them by index
        All normalised training images.
    index : (B,) int
    seed, epoch : int
    transform : result of `pipeline`

    Returns
    -------
    (B, 3, C, C) float32 array in [0, 1]
    """
    batch = []
    for i in map(int, index):
        own = seed_of(seed, epoch, i)
        # one generator for all changes: `set_random_seed` gives each the same numbers, and both flips coincide
        transform.set_random_state(np.random.default_rng(own), random.Random(own))
        image = images[i].transpose(1, 2, 0).astype(np.float32, order="C")  # (S, S, 3), a copy
        batch.append(transform(image=image)["image"].transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(batch), dtype=np.float32)
