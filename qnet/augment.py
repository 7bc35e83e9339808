"""The paper's augmentations, each drawn from (seed, epoch, image) alone.

The paper gives names and probabilities; the limits are those of albumentations, which it cites. A draw does
not depend on workers, on the order of images or on where a run was resumed.
"""

import os
from dataclasses import dataclass

import numpy as np

from qnet.data import stretch

LIMITS = {
    "brightness": 0.2,  # of the image's maximum
    "contrast": 0.2,
    "gamma": (80, 120),  # per cent
    "grid_steps": 5,
    "grid": 0.3,  # of a cell
    "shift": 0.0625,  # of the side
    "scale": 0.1,
    "rotate_deg": 45,
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Probabilities of the random changes; stretching and cropping happen always."""

    stretch_percentiles: tuple[float, float]
    horizontal_flip: float
    vertical_flip: float
    brightness_contrast: float
    gamma: float
    grid_distortion: float
    shift_scale_rotate: float
    crop_fraction: float


def seed_of(*keys: int) -> int:
    """One well-mixed 32-bit seed for a tuple of non-negative integers."""
    return int(np.random.SeedSequence(keys).generate_state(1)[0])


def crop_size(size: int, params: Augmentation) -> int:
    """Side of the crop [pixels] of an image of side `size`."""
    return round(params.crop_fraction * size)


def prepare_images(images: np.ndarray, params: Augmentation) -> np.ndarray:
    """Stretch, and crop about the centre, without chance.

    (N, 3, S, S) in physical units → (N, 3, C, C) float32 in [0, 1].
    """
    size = images.shape[-1]
    side = crop_size(size, params)
    start = (size - side) // 2
    return np.ascontiguousarray(
        stretch(images, params.stretch_percentiles)[..., start : start + side, start : start + side]
    )


def pipeline(size: int, params: Augmentation):
    """The random changes of stretched images of side `size`, in the order of the paper."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import asks the network for news
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)
    scale, side = LIMITS["scale"], crop_size(size, params)
    return A.Compose(
        [
            A.HorizontalFlip(p=params.horizontal_flip),
            A.VerticalFlip(p=params.vertical_flip),
            A.RandomBrightnessContrast(LIMITS["brightness"], LIMITS["contrast"], p=params.brightness_contrast),
            A.RandomGamma(LIMITS["gamma"], p=params.gamma),
            A.GridDistortion(LIMITS["grid_steps"], LIMITS["grid"], p=params.grid_distortion),
            A.Affine(
                translate_percent=(-LIMITS["shift"], LIMITS["shift"]),
                scale=(1 - scale, 1 + scale),
                rotate=(-LIMITS["rotate_deg"], LIMITS["rotate_deg"]),
                keep_ratio=True,  # one scale for both axes
                p=params.shift_scale_rotate,
            ),
            A.RandomCrop(side, side, p=1),
        ]
    )


def augment(images: np.ndarray, index, seed: int, epoch: int, transform) -> np.ndarray:
    """Augment the images `index` of one epoch.

    Parameters
    ----------
    images : (N, 3, S, S) float32 array in [0, 1]
        All stretched training images.
    index : (B,) int
    seed, epoch : int
    transform : result of `pipeline`

    Returns
    -------
    (B, 3, C, C) float32 array in [0, 1]
    """
    batch = []
    for i in map(int, index):
        transform.set_random_seed(seed_of(seed, epoch, i))
        image = np.ascontiguousarray(images[i].transpose(1, 2, 0))  # (S, S, 3), a copy
        batch.append(transform(image=image)["image"].transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(batch), dtype=np.float32)
