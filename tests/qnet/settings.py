"""Settings that several tests share."""

from qnet.augment import Augmentation

PAPER = Augmentation(
    stretch_percentiles=(0.5, 99.5),
    horizontal_flip=0.5,
    vertical_flip=0.5,
    brightness_contrast=0.7,
    gamma=0.3,
    grid_distortion=0.25,
    shift_scale_rotate=0.5,
    crop_fraction=0.875,
)
