"""Training of the network of `locate_nuclei.method: network` on synthetic half deep brains with known labels.

python -m qnet.networks.train_segmentation VOLUMES OUT.safetensors
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from qnet.images.augment import seed_of
from qnet.networks.checkpoint import Checkpoint, fingerprint
from qnet.networks.loop import Batch, curve_of, fit
from qnet.networks.precision import autocast
from qnet.networks.segmentation import CHANNELS, Segmenter
from qnet.networks.train_inversion import Schedule, write_trained

EPOCHS, FALLING, RATE = (8, 4), 6, 1e-3  # twelve passes over 304 volumes take a quarter of an hour of one core
HELD_OUT = 20  # every so many-th volume is never trained on
BATCH = 1
DROPPED = 0.4  # chance that R2*, and that the T1-weighted image, is taken away
GAIN, NOISE = 0.15, 0.1  # changes of a map in units of its range
CROSS_ENTROPY = 4.0  # its weight, beside that of the Dice loss
GOOD = 0.8  # mean Dice coefficient of a volume that counts as right in the log
TEMPERATURES = np.geomspace(0.6, 2.5, 30)
ABOUT = {
    "data": "synthetic volumes of benchmarks/segmentation_volumes.py, default seed: surfaces of CIT168's labels "
    "(thalamus: BigBrain's; dentate: an ellipsoid) in the tissues of MNI152, bent at random; no data of anybody",
    "command": "make train-segmentation",
    "scores": "docs/explanation/results.md; the curve and `held_out` are of synthetic volumes that were not trained on",
    "use": "labels of deep grey nuclei of a registered head, for research; no diagnosis",
}


class Volumes:
    """All volumes of a folder in memory: maps (N, 3, X, Y, Z) float16, known (N, X, Y, Z) and labels uint8."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
        if len(paths) <= HELD_OUT:
            raise ValueError(
                f"{folder}: expected more than {HELD_OUT} volumes of python -m benchmarks.segmentation_volumes, "
                f"found {len(paths)}"
            )
        files = [np.load(path) for path in paths]
        self.names = [str(name) for name in files[0]["names"]]
        self.maps, self.known, self.labels = (
            torch.from_numpy(np.stack([file[name] for file in files])) for name in ("maps", "known", "labels")
        )
        order = np.arange(len(paths))
        self.held, self.seen = order[::HELD_OUT], order[order % HELD_OUT > 0]

    def atlas(self) -> Tensor:
        """(class, X/2, Y/2, Z/2) share of the volumes trained on that have each class at a place."""
        found = torch.zeros(len(self.names) + 1, *(n // 2 for n in self.labels.shape[1:]))
        for number in self.seen:
            for label, share in enumerate(found):
                share += F.avg_pool3d((self.labels[number] == label).float()[None], 2)[0]
        return (found / len(self.seen)).half().float()

    def batch(self, numbers: np.ndarray, given: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps, known, given and labels of some volumes; maps that are not given are zero."""
        maps = self.maps[numbers].float() * given[:, :, None, None, None]
        return maps, self.known[numbers, None].float(), given, self.labels[numbers].long()


def augmented(maps: Tensor, known: Tensor, given: Tensor, rng: np.random.Generator) -> Tensor:
    """Maps with another gain, offset and noise where they are known."""
    shape = (len(maps), CHANNELS, 1, 1, 1)
    gain = torch.from_numpy(np.exp(rng.normal(0, GAIN, shape)).astype(np.float32))
    offset = torch.from_numpy(rng.normal(0, GAIN, shape).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(maps.shape, np.float32)) * float(rng.uniform(0, NOISE))
    return (maps * gain + offset + noise) * known * given[:, :, None, None, None]


def dice_of(share: Tensor, truth: Tensor) -> Tensor:
    """Dice coefficients (B, class) of shares (B, class, X, Y, Z) and a truth of the same shape, background left out."""
    both = (share * truth).sum((2, 3, 4))[:, 1:]
    sizes = (share + truth).sum((2, 3, 4))[:, 1:]
    return (2 * both + 1) / (sizes + 1)


def loss_of(
    model: torch.nn.Module, maps: Tensor, known: Tensor, given: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """One less the mean Dice coefficient of the shares, and the cross-entropy; which volumes are labelled well."""
    with autocast("auto", torch.device("cpu"))():
        logits = model(maps, known, given)
    logits = logits.float()
    log_share = F.log_softmax(logits, 1)
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1).float()
    dice = dice_of(log_share.exp(), truth)
    return 1 - dice.mean() + CROSS_ENTROPY * F.nll_loss(log_share, labels), dice.mean(1) > GOOD


@torch.no_grad()
def held_out(model: Segmenter, volumes: Volumes) -> tuple[np.ndarray, list[Tensor], list[Tensor]]:
    """Dice coefficients (volume, class), logits and labels of the volumes held out; χ alone for every second one."""
    scores, logits, truths = [], [], []
    for turn, number in enumerate(volumes.held):
        given = torch.tensor([[1.0, float(turn % 2), float(turn % 2)]])
        maps, known, given, labels = volumes.batch(np.array([number]), given)
        with autocast("auto", torch.device("cpu"))():
            found = model(maps, known, given).float()
        classes = found.shape[1]
        hard, truth = (F.one_hot(v, classes).movedim(-1, 1).float() for v in (found.argmax(1), labels))
        absent = truth.sum((2, 3, 4))[0, 1:] == 0
        scores.append(np.where(absent, np.nan, dice_of(hard, truth)[0]))
        logits.append(found)
        truths.append(labels)
    return np.stack(scores), logits, truths


def temperature_of(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> float:
    """By which logits are to be divided so that their likelihood is largest."""
    losses = [
        sum(float(F.cross_entropy(found / float(t), truth)) for found, truth in zip(logits, labels, strict=True))
        for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


def calibration(logits: Sequence[Tensor], scores: np.ndarray, temperature: float) -> float:
    """Mean distance of the Dice coefficient that the shares expect from the one found."""
    away = []
    for found, score in zip(logits, scores, strict=True):
        share = (found / temperature).softmax(1)
        hard = F.one_hot(found.argmax(1), found.shape[1]).movedim(-1, 1).float()
        away.append(np.abs(dice_of(share, hard)[0].numpy() - score))
    return float(np.nanmean(away))


def train(
    model: Segmenter, volumes: Volumes, schedule: Schedule, *, seed: int = 0, checkpoint: Path | None = None
) -> list[dict]:
    """Train the network in place → an entry an epoch: mean Dice coefficient of volumes held out."""

    def batches_of(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng(seed_of(seed, epoch))
        for numbers in np.array_split(rng.permutation(volumes.seen), max(1, len(volumes.seen) // BATCH)):
            kept = rng.random((len(numbers), CHANNELS)) >= [0, *[DROPPED] * (CHANNELS - 1)]
            maps, known, given, labels = volumes.batch(numbers, torch.from_numpy(kept.astype(np.float32)))
            yield torch.from_numpy(numbers), augmented(maps, known, given, rng), known, given, labels

    def after_epoch(epoch: int) -> dict[str, float]:
        dice = float(np.nanmean(held_out(model, volumes)[0]))
        print(f"epoch {epoch}: held-out Dice {dice:.4f}", flush=True)
        return {"held_out_dice": round(dice, 4)}

    about = {"seed": seed} | asdict(schedule)
    mark = fingerprint(
        about, volumes.seen, volumes.labels.numpy(), *(value.numpy() for value in model.state_dict().values())
    )
    kept = Checkpoint(checkpoint, mark, {"model": model}) if checkpoint else None
    names = [str(i) for i in range(len(volumes.labels))]
    rate_of, epochs = schedule.rate_of, schedule.epochs
    records = fit(model, epochs, rate_of, batches_of, loss_of, names, after_epoch=after_epoch, checkpoint=kept)
    model.half().float()  # as it is written, so that the next cycle starts from what a file holds
    return curve_of(records, "held_out_dice")


def write_model(path: Path, model: Segmenter, volumes: Volumes, cycles: list[dict]) -> None:
    """Weights, and the card with what volumes held out say of them."""
    scores, logits, labels = held_out(model, volumes)
    temperature = temperature_of(logits, labels)
    found = {name: round(float(score), 4) for name, score in zip(volumes.names, np.nanmean(scores, 0), strict=True)}
    card = ABOUT | {
        "classes": ["background", *volumes.names],
        "temperature": round(temperature, 4),
        "held_out": {"dice": found, "expected_less_found": round(calibration(logits, scores, temperature), 4)},
        "training": {"volumes": len(volumes.seen), "cycles": cycles},
    }
    write_trained(path, model, card)


def train_and_write(folder: Path, out: Path, schedules: Sequence[Schedule], seed: int) -> None:
    """Train on the volumes of a folder; write weights and card. An interrupted cycle goes on where it was.

    Every schedule is a cycle that starts from the weights of the one before (warm restarts, arXiv:1608.03983).

    Raises
    ------
    ValueError
        The folder holds too few volumes.
    """
    torch.set_num_threads(1)
    volumes = Volumes(folder)
    torch.manual_seed(seed)
    model, cycles = Segmenter(volumes.atlas()), []
    checkpoint = out.with_suffix(".checkpoint")
    for number, schedule in enumerate(schedules):
        curve = train(model, volumes, schedule, seed=seed + number, checkpoint=checkpoint)
        cycles.append(asdict(schedule) | {"seed": seed + number, "curve": curve})
        checkpoint.unlink(missing_ok=True)
    write_model(out, model, volumes, cycles)


def main() -> None:
    """Train the network; write its weights and their card."""
    parser = argparse.ArgumentParser(prog="python -m qnet.networks.train_segmentation", description=__doc__)
    parser.add_argument("volumes", type=Path, help="folder that python -m benchmarks.segmentation_volumes has filled")
    parser.add_argument("out", type=Path, help="weights to write, .safetensors; their card goes beside them")
    parser.add_argument("--epochs", type=int, nargs="+", default=EPOCHS, help="of each cycle")
    parser.add_argument("--falling", type=int, default=FALLING, help="last epochs of a cycle, in which the rate falls")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    schedules = [Schedule(epochs=epochs, falling=options.falling, rate=RATE) for epochs in options.epochs]
    train_and_write(options.volumes, options.out, schedules, options.seed)


if __name__ == "__main__":
    main()
