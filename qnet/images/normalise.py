"""Maps in physical units → images in [0, 1], the only thing that networks see.

`stretch` is the paper's histogram stretching: each image by its own percentiles, so that a uniform excess of
iron vanishes. `window` keeps ppm and 1/s: one value means one amount of iron, in every image and subject.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

CHANNELS = ("QSM", "R2star", "T1w")


@dataclass(frozen=True, kw_only=True)
class Normalise:
    """How maps become images, and which of them the networks may use."""

    method: str
    channels: tuple[str, ...]
    stretch_percentiles: tuple[float, float]  # stretch
    qsm_window_ppm: tuple[float, float]  # window
    r2star_window_hz: tuple[float, float]
    t1w_percentiles: tuple[float, float]


def to_unit(images: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Map [low, high] linearly to [0, 1] and clip; zero where low = high → float32."""
    width = np.where(high > low, np.subtract(high, low), np.inf)
    return np.clip((images - low) / width, 0, 1).astype(np.float32)


def stretch(images: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Histogram stretching: each channel of each image linearly to [0, 1] between two of its percentiles.

    Parameters
    ----------
    images : (N, 3, S, S) float array
    percentiles : (2,) [%]

    Returns
    -------
    (N, 3, S, S) float32 array; a constant channel becomes zero
    """
    low, high = np.percentile(images, percentiles, axis=(-2, -1), keepdims=True)
    return to_unit(images, low, high)


def windows(images: np.ndarray, params: Normalise) -> np.ndarray:
    """Lower and upper limits of the channels of one scan in their own units → (2, 3, 1, 1).

    T1W has arbitrary units: its limits are percentiles of the scan's nonzero pixels.
    """
    t1w = images[:, 2]
    tissue = t1w[t1w != 0]
    t1w_window = np.percentile(tissue, params.t1w_percentiles) if tissue.size else (0, 0)
    limits = np.array([params.qsm_window_ppm, params.r2star_window_hz, t1w_window], dtype=np.float32)
    return limits.T[:, :, None, None]


METHODS = {
    "stretch": lambda images, params: stretch(images, params.stretch_percentiles),
    "window": lambda images, params: to_unit(images, *windows(images, params)),
}


def normalise(images: np.ndarray, params: Normalise) -> np.ndarray:
    """Turn the maps of one scan into images.

    Parameters
    ----------
    images : (T, 3, S, S) float array
        All slices of ONE scan: QSM [ppm], R2* [1/s], T1W [a.u.].
    params : Normalise

    Returns
    -------
    (T, 3, S, S) float32 array in [0, 1]
        Channels that are not used are kept: the model drops them after its standardisation.
    """
    if params.method not in METHODS:
        line = f'--config "normalise={{method: {next(iter(METHODS))}}}"'
        raise ValueError(
            f"normalise.method: expected one of {', '.join(METHODS)}, found {params.method!r} (for example {line})"
        )
    return METHODS[params.method](images, params)


def channel_mask(params: Normalise) -> np.ndarray:
    """Which of the channels the networks may use → (3,) bool array."""
    return np.isin(CHANNELS, params.channels)
