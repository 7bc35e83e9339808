"""Training of both stages: plain loops, everything drawn from the seed."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, update_bn

from qnet.augment import Augmentation, augment, pipeline, prepare_images, seed_of
from qnet.data import atomic, stretch
from qnet.model import ImageModel, ScanModel, initialise


@dataclass(frozen=True, kw_only=True)
class ImageTraining:
    """Stage 1: the image model."""

    weights: str
    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    swa_fraction: float
    augmentation: Augmentation


@dataclass(frozen=True, kw_only=True)
class ScanTraining:
    """Stage 2: the scan model."""

    epochs: int
    batch_size: int
    learning_rate: float
    hidden_size: int


def cosine_rate(epoch: int, params: ImageTraining) -> float:
    """Learning rate of an epoch (0…): half a cosine from the first to the final rate (arXiv:1608.03983)."""
    fall = params.learning_rate - params.final_learning_rate
    return params.final_learning_rate + fall / 2 * (1 + math.cos(math.pi * epoch / params.epochs))


def batches(count: int, size: int, seed: int, epoch: int) -> list[Tensor]:
    """Shuffled indices of an epoch in batches; a last batch of one, which has no variance, is left out."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch)))
    return [batch for batch in order.split(size) if len(batch) > 1 or count == 1]


def image_loss(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and which of the images (N,) the model has right."""
    logits = model(images)  # (N, 2)
    return cross_entropy(logits, labels), logits.argmax(1) == labels


def scan_loss(model: nn.Module, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropies of images and scans, added, and which of the scans (N,) the model has right."""
    images, scans = model(embeddings)  # (N, T, 2), (N, 2)
    image_labels = labels[:, None].expand(images.shape[:2])
    loss = cross_entropy(images.flatten(0, 1), image_labels.flatten()) + cross_entropy(scans, labels)
    return loss, scans.argmax(1) == labels


def train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Iterable[tuple[Tensor, Tensor]],
    loss_of: Callable,
) -> dict[str, float]:
    """One pass over `data`, one step per batch → mean loss and accuracy over what was seen."""
    model.train()
    loss_sum, hits, count = 0.0, 0, 0
    for x, labels in data:
        loss, right = loss_of(model, x, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(labels)
        hits += int(right.sum())
        count += len(labels)
    return {"loss": loss_sum / count, "accuracy": hits / count}


def _train(
    model: nn.Module,
    epochs: int,
    rate_of: Callable[[int], float],
    data_of: Callable[[int], Iterable],
    loss_of: Callable,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[dict]:
    """Adam over all epochs with the rate of each; returns and tells one record per epoch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=rate_of(0))
    records = []
    for epoch in range(epochs):
        start = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = rate_of(epoch)
        score = train_epoch(model, optimiser, data_of(epoch), loss_of)
        after_epoch(epoch)
        seconds = round(time.perf_counter() - start, 3)
        records.append({"epoch": epoch, "learning_rate": rate_of(epoch), **score, "seconds": seconds})
        told = f"loss {score['loss']:.4f} accuracy {score['accuracy']:.3f} {seconds:.1f} s"
        print(f"epoch {epoch + 1}/{epochs} {told}", file=sys.stderr, flush=True)
    return records


def train_image_model(
    images: np.ndarray, labels: np.ndarray, params: ImageTraining, seed: int, device: torch.device
) -> tuple[ImageModel, ImageModel, list[dict]]:
    """Stage 1: train a ResNet18 on slices and average its weights over the last epochs.

    Parameters
    ----------
    images : (N, 3, S, S) float array
        Training slices in physical units.
    labels : (N,) int array, 0 or 1
    params : ImageTraining
    seed : int
    device : torch.device

    Returns
    -------
    model, swa_model : ImageModel
        Weights of the last epoch, and the arithmetic mean of the weights after each of the last epochs, its
        batch normalisation measured anew on the unaugmented training slices (arXiv:1803.05407).
    records : list of dict
        epoch, learning_rate, loss, accuracy (of the augmented slices), seconds.
    """
    torch.manual_seed(seed)
    stretched = stretch(images, params.augmentation.stretch_percentiles)
    clean = torch.from_numpy(prepare_images(images, params.augmentation)).to(device)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)
    transform = pipeline(images.shape[-1], params.augmentation)

    model = ImageModel()
    initialise(model, params.weights)
    model.to(device, memory_format=torch.channels_last).standardise_by(clean)  # the quicker layout
    average = AveragedModel(model)
    averaged_epochs = max(1, round(params.swa_fraction * params.epochs))

    def data_of(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index in batches(len(images), params.batch_size, seed, epoch):
            batch = augment(stretched, index, seed, epoch, transform)
            yield torch.from_numpy(batch).to(device), targets[index]

    def after_epoch(epoch: int) -> None:
        if epoch >= params.epochs - averaged_epochs:
            average.update_parameters(model)

    def rate_of(epoch: int) -> float:
        return cosine_rate(epoch, params)

    records = _train(model, params.epochs, rate_of, data_of, image_loss, after_epoch)
    # update_bn weighs batches, not images, equally: shuffled batches of (nearly) one size
    order = torch.randperm(len(clean), generator=torch.Generator().manual_seed(seed_of(seed, params.epochs)))
    update_bn([clean[i] for i in order.tensor_split(math.ceil(len(clean) / params.batch_size))], average)
    return model.eval(), average.module.eval(), records


def train_scan_model(
    embeddings: np.ndarray, labels: np.ndarray, params: ScanTraining, seed: int, device: torch.device
) -> tuple[ScanModel, list[dict]]:
    """Stage 2: train the bidirectional LSTM and its heads on frozen embeddings, at a fixed rate.

    Parameters
    ----------
    embeddings : (N, T, 512) float32 array
        Of the training scans.
    labels : (N,) int array, 0 or 1
    params : ScanTraining
    seed : int
    device : torch.device

    Returns
    -------
    model : ScanModel
    records : list of dict
        As in `train_image_model`; loss is the sum of both cross-entropies, accuracy that of scans.
    """
    torch.manual_seed(seed)
    features = torch.from_numpy(np.asarray(embeddings, dtype=np.float32)).to(device)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)
    model = ScanModel(features.shape[1], params.hidden_size).to(device)

    def data_of(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index in batches(len(features), params.batch_size, seed, epoch):
            yield features[index], targets[index]

    records = _train(model, params.epochs, lambda epoch: params.learning_rate, data_of, scan_loss)
    return model.eval(), records


def write_log(path: str, records: list[dict]) -> None:
    """One JSON object a line."""
    with atomic(path) as part:
        part.write_text("".join(json.dumps(record) + "\n" for record in records))
