"""Settings that several tests share."""

from dataclasses import replace

from qnet.images.augment import Augmentation
from qnet.images.normalise import Normalise

STRETCH = Normalise(
    method="stretch",
    channels=("QSM", "R2star", "T1w"),
    stretch_percentiles=(0.5, 99.5),
    qsm_window_ppm=(-0.1, 0.25),
    r2star_window_hz=(0.0, 60.0),
    t1w_percentiles=(1.0, 99.0),
)
WINDOW = replace(STRETCH, method="window")

PAPER = Augmentation(
    horizontal_flip=0.5,
    vertical_flip=0.5,
    brightness_contrast=0.7,
    brightness_limit=0.2,
    contrast_limit=0.2,
    gamma=0.3,
    gamma_range=(0.8, 1.2),
    grid_distortion=0.25,
    grid_steps=5,
    grid_limit=0.3,
    shift_scale_rotate=0.5,
    shift_limit=0.0625,
    scale_limit=0.1,
    rotate_limit_deg=45.0,
    noise=0.0,
    noise_sd=0.01,
    crop_fraction=0.875,
)
QUANTITATIVE = replace(
    PAPER, vertical_flip=0.0, brightness_contrast=0.0, gamma=0.0, grid_distortion=0.0, rotate_limit_deg=10.0, noise=0.5
)
OFF = replace(
    PAPER,
    horizontal_flip=0.0,
    vertical_flip=0.0,
    brightness_contrast=0.0,
    gamma=0.0,
    grid_distortion=0.0,
    shift_scale_rotate=0.0,
    crop_fraction=1.0,
)
