"""Training of stage 2: the scan model on embeddings that stay as they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from qnet.images.augment import seed_of
from qnet.networks.heads.base import ScanModel
from qnet.networks.heads.models import new_model
from qnet.networks.loop import Batch, batches, fit

IGNORED = -100  # label of an image that does not exist, the one that cross_entropy leaves out


@dataclass(frozen=True, kw_only=True)
class ScanTraining:
    """Stage 2: the scan model, the embeddings that it learns from, and other values to choose from (`choose`)."""

    head: str
    features: str
    copies: int
    inner_folds: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    hidden_size: int
    choices: Sequence[dict]


def scan_loss(
    model: nn.Module, embeddings: Tensor, lengths: Tensor, ages: Tensor, labels: Tensor, weight_decay: float = 0.0
) -> tuple[Tensor, Tensor]:
    r"""What stage 2 minimises, and which of the scans (N,) the model has right.

    The mean cross-entropy of all images and that of all scans, added, and :math:`\lambda/2\,\|\theta\|^2` of all
    weights but the biases, with :math:`\lambda` the weight decay.

    Parameters
    ----------
    model : ScanModel
    embeddings : (N, T, F)
    lengths : (N,) int64 on the CPU
        Slices of each scan.
    ages : (N,) [years], NaN where unknown
    labels : (N,) int64
    weight_decay : float
    """
    images, scans = model(embeddings, lengths, ages)  # (N, T, 2), (N, 2)
    missing = (torch.arange(images.shape[1]) >= lengths[:, None]).to(labels.device)
    image_labels = labels[:, None].expand(missing.shape).masked_fill(missing, IGNORED)
    loss = cross_entropy(images.flatten(0, 1), image_labels.flatten(), ignore_index=IGNORED)
    loss = loss + cross_entropy(scans, labels)
    if weight_decay:
        weights = (weight for weight in model.parameters() if weight.ndim > 1)
        loss = loss + weight_decay / 2 * sum(weight.square().sum() for weight in weights)
    return loss, scans.argmax(1) == labels


def pad(scans: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Scans (R, T_i, F) → one tensor (N, R, max T_i, F), zero behind a scan, and the T_i (N,)."""
    lengths = torch.tensor([scan.shape[1] for scan in scans])
    padded = torch.zeros(len(scans), len(scans[0]), int(lengths.max()), scans[0].shape[-1])
    for row, scan in zip(padded, scans, strict=True):
        row[:, : scan.shape[1]] = torch.from_numpy(scan)
    return padded, lengths


def train_scan_model(
    scans: list[np.ndarray],
    labels: np.ndarray,
    ages: np.ndarray,
    params: ScanTraining,
    seed: int,
    device: torch.device,
    names: list[str],
    encoder: str | Path | None = None,
) -> tuple[ScanModel, list[dict]]:
    """Train a scan model on frozen embeddings, at a fixed rate.

    Parameters
    ----------
    scans : N arrays (R, T, F) float32
        R versions of the embeddings of each training scan; one of them is drawn for each scan and epoch.
    labels : (N,) int array, 0 or 1
    ages : (N,) float array [years], NaN where unknown
    params : ScanTraining
    seed : int
    device : torch.device
    names : N participants
    encoder : path, optional
        Of the pre-trained encoder, for a head that reads one.

    Returns
    -------
    model : ScanModel
    records : list of dict
        As those of `fit`; loss is that of `scan_loss`, accuracy that of scans.

    Raises
    ------
    ValueError
        The head is unknown, lacks its encoder, or needs scans of one number of slices and these differ; or a loss is
        not finite.
    """
    torch.manual_seed(seed)
    features, lengths = pad(scans)
    features, targets = features.to(device), torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)
    years = torch.from_numpy(np.asarray(ages, dtype=np.float32)).to(device)
    model = new_model(params.head, params.hidden_size, int(lengths.max()), encoder, features.shape[-1]).to(device)
    model.learn_usual(features[:, 0], lengths, years, targets)

    def batches_of(epoch: int) -> Iterator[Batch]:
        chance = torch.Generator().manual_seed(seed_of(seed, epoch, 1))  # the order is drawn from (seed, epoch)
        version = torch.randint(features.shape[1], lengths.shape, generator=chance)
        for index in batches(len(features), params.batch_size, seed, epoch):
            yield index, features[index, version[index]], lengths[index], years[index], targets[index]

    loss_of = partial(scan_loss, weight_decay=params.weight_decay)
    records = fit(model, params.epochs, lambda epoch: params.learning_rate, batches_of, loss_of, names)
    return model.eval(), records
