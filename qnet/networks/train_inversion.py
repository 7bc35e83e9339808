"""Training of the network of `dipole_inversion.method: unrolled` on volumes of known susceptibility.

python -m qnet.networks.train_inversion VOLUMES OUT.safetensors
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from qnet.atomic import atomic
from qnet.networks.checkpoint import Checkpoint, fingerprint
from qnet.networks.inversion import Prior, Unrolled, batches_of, candidates, corrected, doubt, misfit
from qnet.networks.loop import curve_of, fit
from qnet.networks.precision import autocast

EPOCHS, FALLING = (11,), 5  # 11 passes over 240 volumes take six minutes of one core
MODEL_ERROR = 0.05  # of the field's spread: the residual that the discrete model may leave, as in the reconstruction
ABOUT = {
    "data": "simulated volumes without anatomy of benchmarks/inversion_volumes.py, default seed; no data of anybody",
    "command": "make train-inversion",
    "scores": "docs/explanation/reconstruction.md; the curve is that of held-out volumes, all of the generator shapes",
    "use": "an option of the dipole inversion for development; not better than tv on heads of unseen generators",
}
# what the generators of the volumes draw
GEOMETRY = {"voxel_size_mm": [0.5, 3.5], "anisotropy": 3.5, "tilt_deg": 45}
PHYSICS = ("dipole", "periodic", "field")  # arrays that a step does not read, once its candidates are there
HELD_OUT = 12  # every so many-th volume is never trained on; with four generators in turn, all are of the first
BATCH = 4  # volumes
DROPPED = 0.3  # share of volumes whose contrasts are taken away
SIZES, STEPS = 0.5, 0.25  # weights of the errors' sizes and of their differences, beside that of their squares
Arrays = dict[str, Tensor]


def read_volume(path: Path) -> Arrays:
    """Arrays of a volume's file, float32."""
    with np.load(path) as file:
        return {name: torch.from_numpy(np.asarray(file[name], np.float32)) for name in file.files}


def reflected(kernel: Tensor, axes: list[int]) -> Tensor:
    """A kernel in rfft layout after the object was flipped along some axes; real and even, so z is x and y."""
    axes = [axis for axis in (0, 1) if (axis in axes) != (2 in axes)]
    return torch.roll(kernel.flip(axes), [1] * len(axes), axes) if axes else kernel


def augmented(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """The object and B0 flipped, the first two axes exchanged, contrasts dropped, all by chance."""
    axes = [axis for axis in range(3) if rng.random() < 0.5]
    swap = rng.random() < 0.5
    made = dict(arrays)
    for name, value in arrays.items():
        if value.ndim < 3:
            continue
        if name == "dipole":
            value = reflected(value, axes)
            made[name] = value.transpose(0, 1) if swap else value
        else:
            offset = value.ndim - 3
            value = value.flip([axis + offset for axis in axes])
            made[name] = (value.transpose(offset, offset + 1) if swap else value).contiguous()
    sign = torch.ones(6)
    sign[[3 + axis for axis in axes]] = -1
    order = [1, 0, 2, 4, 3, 5] if swap else list(range(6))
    made["geometry"] = (arrays["geometry"] * sign)[order]
    if "periodic" in made:
        made["periodic"] = arrays["periodic"][order[:3]]
    if "contrasts" in made and rng.random() < DROPPED:
        made["contrasts"] = torch.zeros_like(made["contrasts"])
    return made


def errors(x: Tensor, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Errors in the mask over the truth, both with zero mean: of squares, of sizes, and of sizes of differences."""
    inside, truth = arrays["inside"], arrays["truth"]
    voxels = inside.sum()
    e, t = ((v - (v * inside).sum() / voxels) * inside for v in (x - truth, truth))
    steps = [torch.stack([(v.diff(dim=a) * _pairs(inside, a)).abs().sum() for a in range(3)]).sum() for v in (e, t)]
    return torch.sqrt((e**2).sum() / (t**2).sum()), e.abs().sum() / t.abs().sum(), steps[0] / steps[1]


def _pairs(inside: Tensor, axis: int) -> Tensor:
    """1 where two neighbours are inside."""
    n = inside.shape[axis] - 1
    return inside.narrow(axis, 0, n) * inside.narrow(axis, 1, n)


def loss_of(x: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
    """Logarithms of the errors, so that all volumes count alike."""
    squares, sizes, steps = errors(x, arrays)
    return squares.log() + SIZES * sizes.log() + STEPS * steps.log()


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a training is: `epochs` passes, the last `falling` of them with a learning rate that falls to zero."""

    epochs: int
    falling: int
    rate: float = 5e-4

    def rate_of(self, epoch: int) -> float:
        """Learning rate of an epoch: half of it in the first."""
        left = (self.epochs - epoch - 0.5) / self.falling
        return self.rate * min(1.0, left) * (0.5 if epoch == 0 else 1.0)


def step(prior: Prior, arrays: Arrays) -> Tensor:
    """The map after a step from the arrays of :func:`with_data`, the convolutions as :mod:`qnet.networks.precision`."""
    with autocast("auto", torch.device("cpu"))():
        return corrected(prior, arrays["x"], arrays["candidates"], arrays)


@torch.no_grad()
def with_data(volumes: Sequence[Arrays], prior: Prior | None = None) -> list[Arrays]:
    """Volumes with the map from which the next step starts, and the candidates of its correction."""
    found = []
    for arrays in volumes:
        x = step(prior, arrays) if prior else arrays["start"]
        found.append(arrays | {"x": x, "candidates": candidates(x, arrays), "doubt": doubt(arrays)})
    return found


@torch.no_grad()
def held_out(prior: Prior, volumes: Sequence[Arrays]) -> tuple[float, float]:
    """Mean NRMSE [%] of the starts and of the step."""
    found = [[float(errors(x, v)[0]) for x in (v["start"], step(prior, v))] for v in volumes]
    before, after = 100 * np.mean(found, 0)
    return float(before), float(after)


def train_step(
    volumes: Sequence[Arrays],
    rate_of: Callable[[int], float],
    epochs: int,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> tuple[Prior, list[dict]]:
    """Train the network of one step → it, and an entry an epoch: NRMSE [%] of held-out volumes by `tv` and by it.

    Volumes are those of :func:`with_data`. Accuracy is the share of volumes whose map is better than that of `tv`.
    """
    torch.manual_seed(seed)
    read = [{name: value for name, value in v.items() if name not in PHYSICS} for v in volumes]
    held, seen = read[::HELD_OUT], [v for i, v in enumerate(read) if i % HELD_OUT]
    prior = Prior().to(memory_format=torch.channels_last_3d)

    def loss(prior: Prior, batch: list[Arrays]) -> tuple[Tensor, Tensor]:
        maps = [step(prior, arrays) for arrays in batch]
        better = [errors(x.detach(), v)[0] < errors(v["start"], v)[0] for x, v in zip(maps, batch, strict=True)]
        return torch.stack([loss_of(x, v) for x, v in zip(maps, batch, strict=True)]).mean(), torch.stack(better)

    def after_epoch(epoch: int) -> dict[str, float]:
        before, after = held_out(prior, held)
        print(f"epoch {epoch}: held-out NRMSE {after:.2f} %, tv {before:.2f} %", flush=True)
        return {"tv_percent": round(before, 2), "unrolled_percent": round(after, 2)}

    mark = fingerprint({"seed": seed, "rates": [rate_of(i) for i in range(epochs)]}, *(v["x"].numpy() for v in volumes))
    kept = Checkpoint(checkpoint, mark, {"prior": prior}) if checkpoint else None
    names = [str(i) for i in range(len(seen))]
    batches = batches_of(seen, BATCH, augmented, seed)
    records = fit(prior, epochs, rate_of, batches, loss, names, after_epoch=after_epoch, checkpoint=kept)
    return prior, curve_of(records, "tv_percent", "unrolled_percent")


def unexplained(arrays: Arrays) -> float:
    """Residual of the start over what noise and the discrete model explain, as the reconstruction measures it."""
    expected = (arrays["pull"] * (arrays["noise"] ** 2 + MODEL_ERROR**2)).sum() / arrays["pull"].sum().clamp(min=1e-12)
    return float(np.sqrt(misfit(arrays) / max(float(expected), 1e-12)))


def range_of(volumes: Sequence[Arrays]) -> dict[str, float]:
    """Up to which noise and residual volumes were seen, but for the last hundredth."""
    noise = np.array([float(v["level"]) for v in volumes])
    residual = np.array([unexplained(v) for v in volumes])
    return {"noise": float(np.percentile(noise, 99)), "unexplained": float(np.percentile(residual, 99))}


def write_trained(path: Path, model: nn.Module, card: dict) -> None:
    """Write the weights as float16 and, beside them, the card with their hash."""
    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    with atomic(path) as part:
        save_file(state, part)
    card = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | card
    with atomic(path.with_suffix(".json")) as part:
        part.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def train_and_write(folder: Path, out: Path, schedules: Sequence[Schedule], seed: int) -> None:
    """Train on the volumes of a folder, step after step; write weights and card.

    An interrupted training of a step goes on where it was.

    Raises
    ------
    ValueError
        The folder holds no volumes.
    """
    paths = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    if len(paths) <= 1:
        raise ValueError(f"{folder}: expected volumes of python -m benchmarks.inversion_volumes, found {len(paths)}")
    torch.set_num_threads(1)
    volumes = with_data([read_volume(path) for path in paths])
    limits = GEOMETRY | range_of(volumes)
    checkpoint = out.with_suffix(".checkpoint")
    priors: list[Prior] = []
    story: list[dict] = []
    for number, schedule in enumerate(schedules):
        if priors:
            volumes = with_data(volumes, priors[-1])
        prior, curve = train_step(volumes, schedule.rate_of, schedule.epochs, seed=seed + number, checkpoint=checkpoint)
        checkpoint.unlink(missing_ok=True)
        priors.append(prior.half().float())
        story.append(asdict(schedule) | {"seed": seed + number, "curve": curve})
    training = {"volumes": len(volumes), "steps": story}
    write_trained(out, Unrolled(priors), ABOUT | {"range": limits, "training": training})


def main() -> None:
    """Train the network; write its weights and their card."""
    parser = argparse.ArgumentParser(prog="python -m qnet.networks.train_inversion", description=__doc__)
    parser.add_argument("volumes", type=Path, help="folder that python -m benchmarks.inversion_volumes has filled")
    parser.add_argument("out", type=Path, help="weights to write, .safetensors; their card goes beside them")
    parser.add_argument("--epochs", type=int, nargs="+", default=EPOCHS, help="of each step")
    parser.add_argument("--falling", type=int, default=FALLING, help="last epochs, in which the learning rate falls")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    schedules = [Schedule(epochs=epochs, falling=options.falling) for epochs in options.epochs]
    train_and_write(options.volumes, options.out, schedules, options.seed)


if __name__ == "__main__":
    main()
