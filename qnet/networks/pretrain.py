"""An image model that measures: trained on simulated subjects to tell the iron of the nuclei in a slice, and age.

It takes the place of ImageNet's weights. No group label takes part, and no subject of a study: what is learnt is how
susceptibility, R2* and age look in the maps of one reconstruction.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from qnet.images.augment import Augmentation, centre_crop
from qnet.networks.checkpoint import Checkpoint, fingerprint
from qnet.networks.loop import Batch, batches, fit, out_of_memory_says
from qnet.networks.model import ImageModel
from qnet.networks.precision import autocast
from qnet.networks.train import augmenter, cosine_rate

QUANTITIES = ("chi_ppb", "r2star_hz")  # endings of the columns of the truth table
NEAR = 0.5  # standard deviations: a slice counts as measured where its targets are met as closely on average


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """Section `pretrain` of the configuration, and what it shares with the training of image models."""

    stages: int  # of ResNet18
    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    smallest_pixels: int  # a nucleus with fewer pixels in a slice is not asked for
    precision: str
    augment_on: str
    augmentation: Augmentation


@dataclass(frozen=True)
class Targets:
    """What each slice is asked for, in standard deviations over the subjects.

    Parameters
    ----------
    names : (K,) as in the truth table, `age` last
    values : (N, K) float32
    weights : (N, K) float32, one where the slice shows the nucleus (age: always), else zero
    shown : (N, R) float32, which nuclei the slice shows
    mean, sd : (K,) in ppb, 1/s and years
    """

    names: list[str]
    values: np.ndarray
    weights: np.ndarray
    shown: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def targets_of(truth: pd.DataFrame, nuclei: list[np.ndarray], labels: dict[str, list[int]], smallest: int) -> Targets:
    """Targets of all slices of some simulated subjects.

    Parameters
    ----------
    truth : DataFrame, a row a subject
        `<nucleus>_chi_ppb`, `<nucleus>_r2star_hz`, `age`.
    nuclei : for each subject, (T, S, S) labels of its slices
    labels : nucleus → its labels, left and right
    smallest : int
        Pixels that a nucleus needs in a slice.
    """
    names = [f"{nucleus}_{quantity}" for quantity in QUANTITIES for nucleus in labels] + ["age"]
    table = truth[names].to_numpy(np.float64)
    mean, sd = table.mean(0), table.std(0)
    shown = np.concatenate(
        [np.stack([np.isin(slices, of).sum((1, 2)) >= smallest for of in labels.values()], axis=1) for slices in nuclei]
    )  # (N, nuclei)
    times = [len(slices) for slices in nuclei]
    values = np.repeat((table - mean) / sd, times, axis=0).astype(np.float32)
    weights = np.concatenate([shown] * len(QUANTITIES) + [np.ones((len(shown), 1))], axis=1).astype(np.float32)
    return Targets(names, values, weights, shown.astype(np.float32), mean, sd)


def measuring_loss(
    model: nn.Module, images: Tensor, values: Tensor, weights: Tensor, shown: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean squared error of what the slices show, in variances, plus the cross-entropy of whether they show it.

    Also which slices (N,) come near on average.
    """
    told, visible = model(images).float().split([values.shape[1], shown.shape[1]], dim=1)
    error = (told - values) * weights  # (N, K)
    counts = weights.sum(1)  # at least one: age
    loss = error.square().sum() / counts.sum() + binary_cross_entropy_with_logits(visible, shown)
    return loss, error.abs().sum(1) / counts < NEAR


def measuring_model(outputs: int, channels: np.ndarray, stages: int) -> ImageModel:
    """An image model with `outputs` numbers in place of two classes."""
    model = ImageModel(channels, stages)
    model.resnet.fc = nn.Linear(model.resnet.fc.in_features, outputs)
    return model


@out_of_memory_says("pretrain.batch_size, then slice_stack.image_size")
def pretrain(
    images: np.ndarray,
    targets: Targets,
    params: Pretraining,
    channels: np.ndarray,
    seed: int,
    device: torch.device,
    checkpoint: Path | None,
    names: list[str],
) -> tuple[ImageModel, list[dict]]:
    """Train an image model to measure.

    Parameters
    ----------
    images : (N, 3, S, S) float16 or float32 array in [0, 1]
        Normalised slices of simulated subjects.
    targets : Targets
        Of these slices.
    params : Pretraining
    channels : (3,) bool
        Which channels are used.
    seed : int
    device : torch.device
    checkpoint : Path, optional
        As in `qnet.networks.train.train_image_model`.
    names : N str
        Of the slices, for messages.

    Returns
    -------
    model : ImageModel
        In evaluation mode; its last layer tells the K targets, then for each of the R nuclei the logit that the
        slice shows it.
    records : list of dict
        As those of `fit`; accuracy is the share of slices measured to half a standard deviation.
    """
    torch.manual_seed(seed)
    data = torch.from_numpy(images).to(device)
    wanted = [torch.from_numpy(array).to(device) for array in (targets.values, targets.weights, targets.shown)]
    outputs = len(targets.names) + targets.shown.shape[1]
    model = measuring_model(outputs, channels, params.stages).to(device).to(memory_format=torch.channels_last)
    model.standardise_by(centre_crop(data, params.augmentation))
    changed = augmenter(data, params, seed, device)

    def batches_of(epoch: int) -> Iterator[Batch]:
        for index in batches(len(data), params.batch_size, seed, epoch):
            yield index, changed(index, epoch), *(array[index] for array in wanted)

    kept = None
    if checkpoint:
        mark = fingerprint({**asdict(params), "seed": seed}, images, targets.values, targets.weights)
        kept = Checkpoint(checkpoint, mark, {"model": model})
    records = fit(
        model,
        params.epochs,
        lambda epoch: cosine_rate(epoch, params),
        batches_of,
        measuring_loss,
        names,
        autocast=autocast(params.precision, device),
        checkpoint=kept,
    )
    return model.eval(), records
