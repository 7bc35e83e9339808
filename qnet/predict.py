"""Trained networks → scores of images and scans, one tidy table."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from qnet.model import ImageModel, ScanModel

COLUMNS = ["participant_id", "slice", "label", "model", "level", "score", "input", "seed", "fold"]


def positive_probability(logits: Tensor) -> np.ndarray:
    """Softmax probability of the positive class, (…, 2) → (…): the logistic function of the logit difference.

    In double precision, so that confident scores stay distinct.
    """
    logits = logits.double()
    return torch.sigmoid(logits[..., 1] - logits[..., 0]).cpu().numpy()


@torch.inference_mode()
def image_scores(model: ImageModel, images: np.ndarray) -> np.ndarray:
    """Prepared images (T, 3, C, C) → P(positive) (T,)."""
    return positive_probability(model(torch.from_numpy(images).to(model.mean.device)))


@torch.inference_mode()
def embed(model: ImageModel, images: np.ndarray) -> np.ndarray:
    """Prepared images (T, 3, C, C) → embeddings (T, 512) float32."""
    return model.embed(torch.from_numpy(images).to(model.mean.device)).cpu().numpy()


@torch.inference_mode()
def scan_scores(model: ScanModel, embeddings: np.ndarray) -> tuple[np.ndarray, float]:
    """Embeddings (T, 512) of one scan → P(positive) of its images (T,) and of the scan."""
    device = model.scan_head.weight.device
    images, scan = model(torch.from_numpy(embeddings).to(device)[None])
    return positive_probability(images)[0], float(positive_probability(scan)[0])


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


def tidy(model: str, slices: np.ndarray, images: np.ndarray, scan: float, **constant) -> pd.DataFrame:
    """Rows of one model and one subject: T at level image, one at level scan, which has no slice."""
    table = pd.DataFrame(
        {
            "slice": pd.array([*map(int, slices), None], dtype="Int64"),
            "level": ["image"] * len(images) + ["scan"],
            "score": [*map(float, images), scan],
        }
    )
    return table.assign(model=model, **constant)[COLUMNS]
