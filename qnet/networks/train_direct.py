"""Training of the networks of `dipole_inversion.method: deepqsm` and `qsmnet`, from field to susceptibility.

python -m qnet.networks.train_direct deepqsm|qsmnet VOLUMES OUT.safetensors
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qnet.networks.checkpoint import Checkpoint, fingerprint
from qnet.networks.inversion import DIRECT, Dipole, Prior, batches_of, consistent, mapped
from qnet.networks.loop import curve_of, fit
from qnet.networks.precision import autocast
from qnet.networks.train_inversion import (
    GEOMETRY,
    Arrays,
    Schedule,
    augmented,
    errors,
    range_of,
    read_volume,
    write_trained,
)

EPOCHS = {"deepqsm": 4, "qsmnet": 6}  # a pass over 220 volumes takes half a minute of one core
FALLING, RATE = 4, 5e-4
HELD_OUT = 12  # every so many-th volume is never trained on
BATCH = 2  # volumes
FIELD, STEPS = 1.0, 0.1  # weights of the errors of field and differences in the loss of `qsmnet`, that of the map: 1


def squared(x: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
    """Mean square of the error over that of the truth, in the mask (doi:10.1016/j.neuroimage.2019.03.060)."""
    return errors(x, arrays)[0] ** 2


def with_model(x: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
    """Sizes of the errors of the map, of its field and of its differences, over those of the truth.

    After Yoon 2018 (doi:10.1016/j.neuroimage.2018.06.030).
    """
    dipole, inside = Dipole({**arrays, "start": x.detach()}), arrays["inside"]
    truth = arrays["truth"] * inside
    wrong, right = (
        (dipole.inverse(dipole.forward(v) * dipole.kernel) * inside).abs().sum() for v in (x - truth, truth)
    )
    _, sizes, steps = errors(x, arrays)
    return sizes + FIELD * wrong / right + STEPS * steps


LOSSES: dict[str, Callable[[Tensor, Mapping[str, Tensor]], Tensor]] = {"deepqsm": squared, "qsmnet": with_model}
DATA = {
    "deepqsm": "ellipsoids and cuboids of the generator shapes of benchmarks/inversion_volumes.py, default seed",
    "qsmnet": "brain-like volumes of the generator heads of benchmarks/inversion_volumes.py, default seed, half after "
    "background removal",
}


def about(name: str) -> dict[str, str]:
    """Lines of the card that no number is in."""
    return {
        "data": f"{DATA[name]}; no data of anybody",
        "command": f"make train-{name}",
        "scores": "docs/explanation/reconstruction.md; the curve is that of held-out volumes of the same generator",
        "use": "an option of the dipole inversion for comparison, for research; no diagnosis",
    }


def network(seed: int) -> Prior:
    """One that returns the damped division before it is trained."""
    torch.manual_seed(seed)
    return Prior(**DIRECT).to(memory_format=torch.channels_last_3d)


def found_by(prior: Prior, arrays: Arrays) -> Tensor:
    """The map of a volume, the convolutions as :mod:`qnet.networks.precision`."""
    with autocast("auto", torch.device("cpu"))():
        return mapped(prior, arrays)


@torch.no_grad()
def held_out(prior: Prior, volumes: Sequence[Arrays]) -> tuple[float, float]:
    """Mean NRMSE [%] of the damped divisions and of the maps."""
    found = [[float(errors(x, v)[0]) for x in (v["division"] * v["inside"], found_by(prior, v))] for v in volumes]
    before, after = 100 * np.mean(found, 0)
    return float(before), float(after)


def train(
    name: str, volumes: Sequence[Arrays], schedule: Schedule, *, seed: int = 0, checkpoint: Path | None = None
) -> tuple[Prior, list[dict]]:
    """Train a network → it, and an entry an epoch: NRMSE [%] of held-out volumes by damped division and by it.

    Accuracy in the log is the share of volumes whose map is better than the damped division.
    """
    held, seen = volumes[::HELD_OUT], [v for i, v in enumerate(volumes) if i % HELD_OUT]
    prior, loss_of = network(seed), LOSSES[name]

    def loss(prior: Prior, batch: list[Arrays]) -> tuple[Tensor, Tensor]:
        maps = [found_by(prior, arrays) for arrays in batch]
        better = [errors(x.detach(), v)[0] < errors(v["division"], v)[0] for x, v in zip(maps, batch, strict=True)]
        # logarithms, so that all volumes count alike and a field that misleads the network does not throw it off
        return torch.stack([loss_of(x, v).log() for x, v in zip(maps, batch, strict=True)]).mean(), torch.stack(better)

    def after_epoch(epoch: int) -> dict[str, float]:
        before, after = held_out(prior, held)
        print(f"epoch {epoch}: held-out NRMSE {after:.2f} %, division {before:.2f} %", flush=True)
        return {"division_percent": round(before, 2), f"{name}_percent": round(after, 2)}

    mark = fingerprint({"name": name, "seed": seed} | asdict(schedule), *(v["truth"].numpy() for v in volumes))
    kept = Checkpoint(checkpoint, mark, {"prior": prior}) if checkpoint else None
    names = [str(i) for i in range(len(seen))]
    batches = batches_of(seen, BATCH, augmented, seed)
    rate_of, epochs = schedule.rate_of, schedule.epochs
    records = fit(prior, epochs, rate_of, batches, loss, names, after_epoch=after_epoch, checkpoint=kept)
    return prior.half().float(), curve_of(records, "division_percent", f"{name}_percent")


@torch.no_grad()
def with_start(prior: Prior, volumes: Sequence[Arrays]) -> list[Arrays]:
    """Volumes whose start is the map after the steps towards the data: by its residual the range is judged."""
    return [arrays | {"start": consistent(found_by(prior, arrays), arrays)} for arrays in volumes]


def write_with_card(name: str, out: Path, prior: Prior, volumes: Sequence[Arrays], training: dict) -> None:
    """Weights, and the card with the range that the volumes cover."""
    limits = GEOMETRY | range_of(with_start(prior, volumes))
    write_trained(out, prior, about(name) | {"range": limits, "training": training})


def train_and_write(name: str, folder: Path, out: Path, schedule: Schedule, seed: int) -> None:
    """Train on the volumes of a folder; write weights and card. An interrupted training goes on where it was.

    Raises
    ------
    ValueError
        The folder holds too few volumes.
    """
    paths = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    if len(paths) <= 1:
        raise ValueError(
            f"{folder}: expected volumes of python -m benchmarks.inversion_volumes --for {name}, found {len(paths)}"
        )
    torch.set_num_threads(1)
    volumes = [read_volume(path) for path in paths]
    checkpoint = out.with_suffix(".checkpoint")
    prior, curve = train(name, volumes, schedule, seed=seed, checkpoint=checkpoint)
    training = {"volumes": len(volumes)} | asdict(schedule) | {"seed": seed, "curve": curve}
    write_with_card(name, out, prior, volumes, training)
    checkpoint.unlink(missing_ok=True)


def main() -> None:
    """Train a network; write its weights and their card."""
    parser = argparse.ArgumentParser(prog="python -m qnet.networks.train_direct", description=__doc__)
    parser.add_argument("name", choices=LOSSES)
    parser.add_argument("volumes", type=Path, help="folder that python -m benchmarks.inversion_volumes has filled")
    parser.add_argument("out", type=Path, help="weights to write, .safetensors; their card goes beside them")
    parser.add_argument("--epochs", type=int, help="passes over the volumes")
    parser.add_argument("--falling", type=int, default=FALLING, help="last epochs, in which the learning rate falls")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    epochs = options.epochs or EPOCHS[options.name]
    schedule = Schedule(epochs=epochs, falling=options.falling, rate=RATE)
    train_and_write(options.name, options.volumes, options.out, schedule, options.seed)


if __name__ == "__main__":
    main()
