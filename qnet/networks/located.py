"""Means over the located nuclei, which the head `nuclei` reads beside the embeddings of a scan."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from qnet.networks.predict import window_of
from qnet.regional_means import regional_means
from qnet.site_windows import SAME

Means = Mapping[str, Mapping[str, float]]  # of `qnet.regional_means.regional_means`: map → region → mean
OTHERS = {"white_matter", "whole_brain", "reference"}  # regions of that table that are no nuclei
CHANNELS = {"chi_ppm": "QSM", "r2star_hz": "R2star"}  # map → channel of the images


def read_means(stats: Iterable[str]) -> dict[str, Means]:
    """Participant → means, from the statistics per nucleus `…/sub-<label>_…_stats.tsv` of one scan each."""
    return {Path(path).name.split("_")[0]: regional_means(path) for path in stats}


def regions_of(scans: Iterable[Means]) -> list[list[str]]:
    """Map and nucleus of every mean that any of the scans has: what each number of `located` is."""
    found = {(name, region): None for means in scans for name in CHANNELS for region in means[name]}
    return [[name, region] for name in CHANNELS for of, region in found if of == name and region not in OTHERS]


def located(
    means: Means, regions: Sequence[Sequence[str]], about: dict, participant: str | None = None, site: str | None = None
) -> np.ndarray:
    """Means of one scan as the head reads them: through the window of its site where the images are read so.

    Parameters
    ----------
    means : of the scan
    regions : result of `regions_of` the training
    about : how the image model was made, as its file says
    participant, site : as for `qnet.networks.predict.prepare`

    Returns
    -------
    (K,) float32 array, ppm and 1/s
        NaN where a region is missing, and of a map whose channel the networks may not use.
    """
    numbers = dict(zip(CHANNELS, np.reshape(window_of(about, participant, site) or SAME, (2, 2)), strict=True))
    used = about["normalise"]["channels"]
    found = []
    for name, region in regions:
        shift, scale = numbers[name]
        value = means[name].get(region, np.nan) if CHANNELS[name] in used else np.nan
        found.append((value - shift) / scale)
    return np.array(found, np.float32)


def beside(embeddings: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Embeddings (…, T, F) of one scan, with its numbers (K,) behind those of every slice → (…, T, F + K)."""
    same = np.broadcast_to(numbers.astype(embeddings.dtype), (*embeddings.shape[:-1], len(numbers)))
    return np.concatenate([embeddings, same], axis=-1)
