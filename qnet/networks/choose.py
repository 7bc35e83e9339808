"""Settings of stage 2 chosen inside the training subjects of a fold, by cross-validation among these."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from qnet.networks.predict import scan_scores
from qnet.networks.train_scan import ScanTraining, train_scan_model


def candidates(params: ScanTraining) -> list[ScanTraining]:
    """The settings themselves, then as each of their choices changes them; none of these has choices."""
    return [replace(params, **{**change, "choices": ()}) for change in ({}, *params.choices)]


def held_out_loss(
    scans: list[np.ndarray],
    labels: np.ndarray,
    ages: np.ndarray,
    params: ScanTraining,
    inner: np.ndarray,
    seed: int,
    device: torch.device,
    names: list[str],
    encoder: str | Path | None = None,
) -> float:
    """Mean cross-entropy of scans [nat], each judged by a scan model of the other inner folds.

    Parameters
    ----------
    scans, labels, ages, params, seed, device, names, encoder : as for `train_scan_model`
        The embeddings must not know the labels of these scans: only then are inner folds held out.
    inner : (N,) int array
        Inner fold of each scan.
    """
    losses = np.empty(len(scans))
    for number in np.unique(inner):
        train, test = np.flatnonzero(inner != number), np.flatnonzero(inner == number)
        others = [scans[i] for i in train], labels[train], ages[train]
        model, _ = train_scan_model(*others, params, seed, device, [names[i] for i in train], encoder)
        for i in test:
            positive = float(scan_scores(model, scans[i][0], float(ages[i]))[1])
            losses[i] = -np.log(max(positive if labels[i] else 1 - positive, 1e-7))
    return float(losses.mean())
