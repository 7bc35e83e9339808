"""Trained networks → scores of images and scans, and weights of slices: tidy tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from qnet.images.augment import Augmentation, centre_crop
from qnet.images.normalise import Normalise, normalise
from qnet.networks.heads.base import ScanModel
from qnet.networks.volumes import Network
from qnet.predictions import COLUMNS
from qnet.site_windows import to_common_scale


def window_of(about: dict, participant: str | None = None, site: str | None = None) -> list[float] | None:
    """The window of a scan's site (`qnet.site_windows.NUMBERS`) where the model was trained so, else None.

    Of a subject of the study by `participant`, of anybody else by `site`.

    Raises
    ------
    ValueError
        It was, and nobody knows the window: no subject of the study, and none of its sites.
    """
    if "windows" not in about:
        return None
    known, name = (about["windows"], participant) if site is None else (about["site_windows"], site)
    if name not in known:
        found = "a new subject of unknown site" if name is None else name
        raise ValueError(f"harmonised windows: expected one of {', '.join(known)}, found {found}")
    return known[name]


def on_common_scale(
    images: np.ndarray, about: dict, participant: str | None = None, site: str | None = None
) -> np.ndarray:
    """Images in physical units, through the window of their site where the model was trained so; see `window_of`."""
    numbers = window_of(about, participant, site)
    return images if numbers is None else to_common_scale(images, numbers)


def prepare(images: np.ndarray, about: dict, participant: str | None = None, site: str | None = None) -> np.ndarray:
    """The input of an image model: normalised as in its training and cropped about the centre.

    Parameters
    ----------
    images : (T, 3, S, S) float array
        One scan in physical units.
    about : dict
        How the image model was made, as its file says.
    participant, site : str, optional
        Who of the study that is, or else the site of a new subject, where windows are harmonised over sites.

    Returns
    -------
    (T, 3, C, C) float32 array in [0, 1]
    """
    common = on_common_scale(images, about, participant, site)
    return centre_crop(normalise(common, Normalise(**about["normalise"])), Augmentation(**about["augmentation"]))


def positive_probability(logits: Tensor) -> np.ndarray:
    """Softmax probability of the positive class, (…, 2) → (…): the logistic function of the logit difference.

    In double precision, so that confident scores stay distinct.
    """
    logits = logits.double()
    return torch.sigmoid(logits[..., 1] - logits[..., 0]).cpu().numpy()


@torch.inference_mode()
def image_scores(model: Network, images: np.ndarray) -> np.ndarray:
    """Prepared images (T, 3, C, C), all of one scan → P(positive) (T,)."""
    return positive_probability(model(torch.from_numpy(images).to(model.mean.device)))


@torch.inference_mode()
def embed(model: Network, images: np.ndarray) -> np.ndarray:
    """Prepared images (T, 3, C, C) → embeddings (T, F) float32."""
    return model.embed(torch.from_numpy(images).to(model.mean.device)).cpu().numpy()


@torch.inference_mode()
def scan_scores(model: ScanModel, embeddings: np.ndarray, age: float) -> tuple[np.ndarray, float]:
    """Embeddings (T, F) of one scan and age [years], NaN if unknown → P(positive) of its images (T,), of the scan."""
    batch = _batch_of_one(model, embeddings)
    images, scan = model(batch, None, batch.new_tensor([age]))
    return positive_probability(images)[0], float(positive_probability(scan)[0])


@torch.inference_mode()
def weigh_slices(model: ScanModel, embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (T, F) of one scan → weights (T,) of its slices, as `ScanModel.slice_weights` defines them."""
    return model.slice_weights(_batch_of_one(model, embeddings))[0].cpu().numpy()


def _batch_of_one(model: ScanModel, embeddings: np.ndarray) -> Tensor:
    return torch.from_numpy(embeddings).to(model.scan_head.weight.device)[None]


def vote_score(scores: np.ndarray) -> float:
    r"""Majority vote of T images as one score, ties broken by the mean probability.

    .. math:: s = (v + \bar P) / (T + 1),\quad v = \#\{t : P_t \ge 1/2\},\ \bar P = \tfrac1T \sum_t P_t

    s reaches 1/2 exactly when the vote says positive. T = 2m+1: v ≥ m+1 gives s ≥ (m+1)/(2m+2) = 1/2; if
    v ≤ m some P is below 1/2, hence P̄ < 1 and s < (m+1)/(2m+2). T = 2m: v ≥ m+1 gives
    s ≥ (m+1)/(2m+1) > 1/2, v ≤ m-1 gives s ≤ m/(2m+1) < 1/2, and a tie v = m gives s ≥ 1/2 exactly when
    P̄ ≥ 1/2.
    Scores rank by votes first and by mean probability among equal votes.

    Parameters
    ----------
    scores : (T,) float array
        P(positive) of each image.
    """
    scores = np.asarray(scores, dtype=float)
    return float(((scores >= 0.5).sum() + scores.mean()) / (len(scores) + 1))


def tidy(
    model: str, slices: Sequence[int] | np.ndarray, images: Sequence[float] | np.ndarray, scan: float, **constant: Any
) -> pd.DataFrame:
    """Rows of one model and one subject: T at level image, one at level scan, which has no slice.

    `slices` and `images` are empty for a model that speaks of scans only.
    """
    table = pd.DataFrame(
        {
            "slice": pd.array([*map(int, slices), None], dtype="Int64"),
            "level": ["image"] * len(images) + ["scan"],
            "score": [*map(float, images), scan],
        }
    )
    return table.assign(model=model, **constant)[COLUMNS]


def image_model_rows(model: str, slices: np.ndarray, scores: np.ndarray, **constant: Any) -> pd.DataFrame:
    """Rows of an image model and one subject: its images, their vote, and as a model of its own their mean P."""
    vote = tidy(model, slices, scores, vote_score(scores), **constant)
    return pd.concat([vote, tidy(f"{model} mean P", [], [], float(np.mean(scores)), **constant)])


def slice_table(participant: str, slices: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Weights (T,) of the slices (T,) of one scan → participant_id, slice, weight."""
    return pd.DataFrame({"participant_id": participant, "slice": slices, "weight": weights})
