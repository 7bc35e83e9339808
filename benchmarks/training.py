"""Speed of both stages: `python -m benchmarks.training [--out FOLDER]`, part of `make bench`.

Stage 1 stands beside its own peer in the same run: forward, backward and Adam's step of a bare ResNet18 on one random
batch, in the same number format and memory layout. What is lost against it goes into augmentation and book-keeping.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from torch.nn.functional import cross_entropy

from benchmarks.measure import peak_mb
from qnet.images.augment import Augmentation, crop_size
from qnet.networks.model import FEATURES, ImageModel, prepare_torch
from qnet.networks.precision import autocast, uses_bfloat16
from qnet.networks.train import ImageTraining, train_image_model
from qnet.networks.train_scan import ScanTraining, train_scan_model

ROOT = Path(__file__).resolve().parents[1]
SIZES = (64, 128, 224)  # pixels along a side
BATCH = 64  # paper
SCANS, SLICES = 86, 20  # a training fold of the paper
ROUNDS = 3  # the fastest counts


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def fastest(run: Callable[[], object], device: torch.device) -> float:
    """Wall seconds of the fastest of some rounds; the first, which warms up, does not count."""
    seconds = []
    for _ in range(ROUNDS + 1):
        wait(device)
        start = time.perf_counter()
        run()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def bare(size: int, batch: int, steps: int, precision: str, device: torch.device) -> Callable[[], None]:
    """Steps of a ResNet18 on one random batch that lies on the device."""
    model = ImageModel().to(device, memory_format=torch.channels_last).train()
    images = torch.rand(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(2, (batch,), device=device)
    optimiser, context = torch.optim.Adam(model.parameters(), lr=1e-4), autocast(precision, device)

    def run() -> None:
        for _ in range(steps):
            with context():
                loss = cross_entropy(model(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return run


def stage_1(size: int, params: ImageTraining, device: torch.device, steps: int) -> dict:
    """Images per second of whole epochs against the bare network at the size that the network sees.

    The difference of trainings of two lengths is what epochs cost, without the start and the last pass. `peak_mb` is
    that of this process so far, training and bare network together: sizes come in ascending order.
    """
    images = np.random.default_rng(0).random((params.batch_size * steps, 3, size, size), np.float32).astype(np.float16)
    labels, names = np.arange(len(images)) % 2, [str(number) for number in range(len(images))]

    def train(epochs: int) -> Callable[[], object]:
        own = replace(params, epochs=epochs)
        return lambda: train_image_model(images, labels, own, (True,) * 3, 0, device, None, names)

    epoch_s = (fastest(train(3), device) - fastest(train(1), device)) / 2
    seen = crop_size(size, params.augmentation)
    bare_s = fastest(bare(seen, params.batch_size, steps, params.precision, device), device)
    ours, peer = len(images) / epoch_s, len(images) / bare_s
    form = "bfloat16" if uses_bfloat16(params.precision, device) else "float32"
    return {"what": f"stage 1, {size} px", "number_format": form, "images_per_s": ours, "bare_images_per_s": peer,
            "share_of_bare": ours / peer, "peak_mb": peak_mb()}  # fmt: skip


def stage_2(params: ScanTraining, device: torch.device) -> dict:
    """Seconds of the training of one fold."""
    chance = np.random.default_rng(0)
    scans = [chance.standard_normal((1, SLICES, FEATURES), np.float32) for _ in range(SCANS)]
    labels, ages, names = np.arange(SCANS) % 2, np.full(SCANS, 50.0), [str(number) for number in range(SCANS)]
    seconds = fastest(lambda: train_scan_model(scans, labels, ages, params, 0, device, names), device)
    return {"what": f"stage 2, one fold: {SCANS} scans of {SLICES} slices, {params.epochs} epochs", "seconds": seconds}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write training.tsv and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--steps", type=int, default=4, help="batches an epoch")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args(arguments)
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    section = config["train_image_model"] | {"batch_size": BATCH, "weights": "none"}
    params = ImageTraining(**{**section, "augmentation": Augmentation(**section["augmentation"])})
    device = prepare_torch(chosen.threads)
    rows = [stage_1(size, params, device, chosen.steps) for size in chosen.sizes]
    rows.append(stage_2(ScanTraining(**config["train_scan_model"]), device))
    table = pd.DataFrame(rows).assign(device=device.type, threads=chosen.threads, batch=BATCH)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "training.tsv", sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
