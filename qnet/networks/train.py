"""Training of stage 1: the image model and the average of its weights, everything drawn from the seed."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, update_bn

from qnet.images.augment import Augmentation, augment, centre_crop, pipeline, seed_of
from qnet.images.augment_batch import augment_batch
from qnet.images.data import read_stack
from qnet.images.normalise import Normalise, normalise
from qnet.networks.checkpoint import Checkpoint, fingerprint
from qnet.networks.loop import Batch, batches, fit, out_of_memory_says
from qnet.networks.model import ImageModel
from qnet.networks.names import check_start, convolves_two_planes
from qnet.networks.precision import autocast, uses_bfloat16
from qnet.networks.volumes import Network, new_network
from qnet.networks.weights import initialise, stages_to_start_from
from qnet.site_windows import Windows, to_common_scale


@dataclass(frozen=True, kw_only=True)
class ImageTraining:
    """Stage 1: the image model."""

    network: str  # of qnet.networks.names.NETWORKS
    weights: str  # none, imagenet, shipped or a path
    trainable: str  # all, or head: only the last layer, without augmentation
    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    swa_fraction: float
    precision: str  # auto, float32 or bfloat16
    augment_on: str  # auto, cpu or device
    augmentation: Augmentation


class Schedule(Protocol):
    """What training and pre-training of image models share."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def final_learning_rate(self) -> float: ...
    @property
    def augment_on(self) -> str: ...
    @property
    def augmentation(self) -> Augmentation: ...


def cosine_rate(epoch: int, params: Schedule) -> float:
    """Learning rate of an epoch (0…): half a cosine from the first to the final rate (arXiv:1608.03983)."""
    fall = params.learning_rate - params.final_learning_rate
    return params.final_learning_rate + fall / 2 * (1 + math.cos(math.pi * epoch / params.epochs))


def image_loss(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and which of the images, or scans, (N,) the model has right."""
    logits = model(images)  # (N, 2), or of the slices of each scan (N, T, 2)
    if logits.ndim == 3:
        logits = logits.mean(1)
    return cross_entropy(logits, labels), logits.argmax(1) == labels


def training_images(
    labels: Mapping[str, int],
    paths: Mapping[str, str],
    input_name: str,
    params: Normalise,
    windows: Windows | None = None,
    whole_scans: bool = False,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read and normalise the slices of all training subjects.

    Parameters
    ----------
    labels : participant → label
    paths : participant → stack
    input_name : str
    params : Normalise
    windows : participant → line of its site, where windows are harmonised
    whole_scans : bool
        Whether an item is a scan and not a slice.

    Returns
    -------
    images : (N, 3, S, S) float16 array in [0, 1], or (N, T, 3, S, S) of scans
        In half the memory of float32; its steps are below 0.0005 of the window.
    targets : (N,) int array
    names : N str, such as `sub-03 slice 12`, or participants

    Raises
    ------
    ValueError
        Scans that are read whole differ in their number of slices.
    """
    images, targets, names = [], [], []
    for participant, label in labels.items():
        stack, slices = read_stack(paths[participant], input_name)
        common = stack if windows is None else to_common_scale(stack, windows[participant])
        images.append(normalise(common, params).astype(np.float16))
        if whole_scans and len(slices) != len(images[0]):
            expected = f"{paths[participant]}: expected {len(images[0])} slices as in other scans"
            raise ValueError(f"{expected}, as the network reads them whole, found {len(slices)}")
        targets += [label] if whole_scans else [label] * len(slices)
        names += [participant] if whole_scans else [f"{participant} slice {z}" for z in slices]
    return np.stack(images) if whole_scans else np.concatenate(images), np.array(targets), names


def augmenter(images: Tensor, params: Schedule, seed: int, device: torch.device) -> Callable[[Tensor, int], Tensor]:
    """(indices (B,), epoch) → augmented images (B, 3, C, C) float32 on the device.

    On the CPU by albumentations, or in batches where the images lie; `auto` does the latter on a GPU.
    """
    if params.augment_on == "device" or (params.augment_on == "auto" and device.type == "cuda"):
        return lambda index, epoch: augment_batch(images[index.to(device)], index, seed, epoch, params.augmentation)
    transform = pipeline(images.shape[-1], params.augmentation)
    array = images.cpu().numpy()
    return lambda index, epoch: torch.from_numpy(augment(array, index, seed, epoch, transform)).to(device)


@torch.no_grad()
def embeddings(model: ImageModel, images: Tensor, batch_size: int) -> Tensor:
    """Images (N, 3, C, C) → what the last layer reads (N, F), batch normalisation as the model came with it."""
    model.eval()
    return torch.cat([model.embed(batch.float()) for batch in images.split(batch_size)])


def refresh_statistics(model: nn.Module, images: Tensor, batch_size: int, seed: int) -> None:
    """Measure batch normalisation again on unaugmented images.

    `update_bn` weighs batches, not images, equally: so they are shuffled and of (nearly) one size.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    parts = order.tensor_split(math.ceil(len(images) / batch_size))
    update_bn((images[part].float() for part in parts), model)


@out_of_memory_says("train_image_model.batch_size, then slice_stack.image_size")
def train_image_model(
    images: np.ndarray,
    labels: np.ndarray,
    params: ImageTraining,
    channels: Sequence[bool],
    seed: int,
    device: torch.device,
    checkpoint: Path | None,
    names: Sequence[str],
) -> tuple[Network, Network, list[dict]]:
    """Stage 1: train a network and average its weights over the last epochs.

    It is a ResNet18 on slices, of which only the last layer may be trained, or another network on scans.

    Parameters
    ----------
    images : (N, 3, S, S) float16 or float32 array in [0, 1]
        Normalised training slices; for a network that sees whole scans (N, T, 3, S, S), which are augmented as images
        of 3 T channels, so that all slices of a scan are changed alike.
    labels : (N,) int array, 0 or 1
    params : ImageTraining
    channels : (3,) bool
        Which channels are used.
    seed : int
    device : torch.device
    checkpoint : Path, optional
        Where the state is kept at most once a minute, and taken up from if it is that of this training. Left
        there: remove it once the results are safe.
    names : N str
        Of the images, for the message about a loss that is not finite.

    Returns
    -------
    model, swa_model : ImageModel or VolumeModel
        Weights of the last epoch, and the arithmetic mean of the weights after each of the last epochs, its
        batch normalisation measured anew on the unaugmented training slices (arXiv:1803.05407).
    records : list of dict
        As those of `fit`; accuracy is that of the augmented slices.

    Raises
    ------
    FileNotFoundError, ValueError
        The initial weights are not there or are others than expected, the network takes none, or a loss is not finite.
    MemoryError
        Says which setting to lower.
    """
    check_start(params.network, params.weights, params.trainable)
    torch.manual_seed(seed)
    data = torch.from_numpy(images).to(device)
    clean = centre_crop(data, params.augmentation)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)
    model = new_network(params.network, channels, stages_to_start_from(params.weights)).to(device)
    model.standardise_by(clean)
    if isinstance(model, ImageModel):
        model = model.to(memory_format=torch.channels_last)  # the quicker layout
        initialise(model, params.weights)
    trained: nn.Module
    frozen = params.trainable == "head"
    if frozen and isinstance(model, ImageModel):
        features = embeddings(model, clean, params.batch_size)
        trained, data_of = model.resnet.fc, lambda index, epoch: features[index]
    else:
        changed, form = augmenter(data.flatten(1, -3), params, seed, device), data.shape[1:-2]
        trained, data_of = model, lambda index, epoch: changed(index, epoch).unflatten(1, form)
    unsafe = data.ndim == 5 and convolves_two_planes(params.network, data.shape[1])
    exact = frozen or (unsafe and device.type == "cpu")
    average = AveragedModel(trained)
    averaged_epochs = max(1, round(params.swa_fraction * params.epochs))

    def batches_of(epoch: int) -> Iterator[Batch]:
        for index in batches(len(targets), params.batch_size, seed, epoch):
            yield index, data_of(index, epoch), targets[index]

    def after_epoch(epoch: int) -> None:
        if epoch >= params.epochs - averaged_epochs:
            average.update_parameters(trained)

    kept = None
    if checkpoint:
        mark = course(images, labels, params, seed, model)
        kept = Checkpoint(checkpoint, mark, {"trained": trained, "average": average})
    records = fit(
        trained,
        params.epochs,
        lambda epoch: cosine_rate(epoch, params),
        batches_of,
        image_loss,
        names,
        after_epoch=after_epoch,
        autocast=autocast("float32" if exact else params.precision, device),
        checkpoint=kept,
    )
    if frozen and isinstance(model, ImageModel):
        averaged = deepcopy(model)
        averaged.resnet.fc = average.module
        swa_model: Network = averaged
    else:
        refresh_statistics(average, clean, params.batch_size, seed_of(seed, params.epochs))
        swa_model = cast(Network, average.module)
    return model.eval(), swa_model.eval(), records


def course(images: np.ndarray, labels: np.ndarray, params: ImageTraining, seed: int, model: Network) -> str:
    """Fingerprint of all that the course of a training follows from; `model` as it stands before the first step."""
    device = model.mean.device
    settings = asdict(params) | {"seed": seed, "device": device.type}
    settings |= {"bfloat16": uses_bfloat16(params.precision, device)}
    start = [value.cpu().numpy() for value in model.state_dict().values()]
    return fingerprint(settings, images, np.asarray(labels), *start)
