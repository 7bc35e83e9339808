"""Training of the encoder that is shipped, on heads without a common anatomy, tissue model or scanner.

python -m qnet.networks.train_encoder HEADS OUT.safetensors
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from qnet.atomic import atomic
from qnet.home import HOME
from qnet.images.augment import Augmentation, centre_crop
from qnet.images.normalise import Normalise, channel_mask
from qnet.networks.model import ImageModel
from qnet.networks.pretrain import Pretraining, Targets, pretrain, targets_of
from qnet.networks.weights import write_weights

HELD_OUT = 10  # every so many-th head is never trained on
STAGES, EPOCHS = 3, 24
ABOUT = {
    "what": "an image model that tells χ [ppb] and R2* [1/s] of seven deep grey nuclei in an axial slice",
    "data": "simulated heads of benchmarks/encoder_heads.py, default seed; no data of anybody, no simulated cohort",
    "command": "make train-encoder",
    "reads": "χ in -0.1 to 0.25 ppm, R2* in 0 to 60 1/s, T1w between percentiles of the scan; 90 to 200 mm, 64 pixels",
    "does not tell": "age (drawn at random), nor what is usual: head `measured` takes that from the study itself",
    "scores": "docs/explanation/learning.md; `held_out` below is of heads of the same generator",
    "use": "research only; synthetic throughout: compare with `ROI + age (LR)` on your own data",
}


@dataclass(frozen=True)
class Heads:
    """Slices of some heads: images (N, 3, S, S) float16, labels of each head (T, S, S), the truth, a row a head."""

    images: np.ndarray
    nuclei: list[np.ndarray]
    truth: pd.DataFrame

    @classmethod
    def read(cls, paths: Sequence[Path], seed: int) -> "Heads":
        """Heads of `benchmarks.encoder_heads`, with ages drawn at random, as targets ask for one."""
        images, nuclei, rows = [], [], []
        for path in paths:
            with np.load(path) as file:
                images.append(file["images"])
                nuclei.append(file["nuclei"])
                rows.append(dict(zip(file["names"].tolist(), file["values"].tolist(), strict=True)))
        ages = np.random.default_rng(seed).uniform(20, 85, len(rows))
        return cls(np.concatenate(images), nuclei, pd.DataFrame(rows).assign(age=ages))


def scores(model: ImageModel, heads: Heads, targets: Targets, side: Augmentation, labels: dict) -> dict[str, dict]:
    """Correlation with the truth and root mean square error of each nucleus, by the mean over slices that show it."""
    with torch.inference_mode():
        crops = torch.from_numpy(centre_crop(heads.images, side).astype(np.float32))
        told = torch.cat([model(part) for part in crops.split(256)]).numpy()
    own = targets_of(heads.truth, heads.nuclei, labels, 1)
    starts = np.cumsum([0, *(len(slices) for slices in heads.nuclei)])[:-1]
    found = {}
    for k, name in enumerate(targets.names[:-1]):
        weight = own.weights[:, k]
        count = np.add.reduceat(weight, starts)
        seen = count > 0
        read = np.add.reduceat(weight * told[:, k], starts)[seen] / count[seen] * targets.sd[k] + targets.mean[k]
        true = heads.truth[name].to_numpy()[seen]
        error = float(np.sqrt(np.mean((read - true) ** 2)))
        found[name] = {"r": round(float(np.corrcoef(read, true)[0, 1]), 3), "rmse": round(error, 2)}
    return found


def train_and_write(folder: Path, out: Path, stages: int, epochs: int, seed: int) -> None:
    """Train on the heads of a folder; write weights and card.

    An interrupted training goes on where it was.

    Raises
    ------
    ValueError
        The folder holds too few heads.
    """
    paths = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    if len(paths) < 2 * HELD_OUT:
        raise ValueError(f"{folder}: expected heads of python -m benchmarks.encoder_heads, found {len(paths)}")
    torch.set_num_threads(1)
    config = yaml.safe_load((HOME / "config" / "config.yaml").read_text(encoding="utf-8"))
    window = config["normalise"] | config["quantitative"]["normalise"]
    stage, quantitative = config["train_image_model"], config["quantitative"]["train_image_model"]
    side = Augmentation(**stage["augmentation"] | quantitative["augmentation"])
    settings = config["pretrain"] | {"stages": stages, "epochs": epochs}
    params = Pretraining(**settings, precision=stage["precision"], augment_on=stage["augment_on"], augmentation=side)
    seen = Heads.read([path for i, path in enumerate(paths) if i % HELD_OUT], seed)
    held = Heads.read(paths[::HELD_OUT], seed + 1)
    labels = labels_of_nuclei(seen.truth)
    targets = targets_of(seen.truth, seen.nuclei, labels, params.smallest_pixels)
    names = [f"head {i} slice {t}" for i, slices in enumerate(seen.nuclei) for t in range(len(slices))]
    use, checkpoint = channel_mask(Normalise(**window)), out.with_suffix(".checkpoint")
    model, records = pretrain(seen.images, targets, params, use, seed, torch.device("cpu"), checkpoint, names)
    model = model.half().float()  # what is scored is what is stored
    about = {
        "normalise": window,
        "seed": seed,
        "subjects": len(seen.nuclei),
        "synthetic": True,
        "targets": targets.names,
    }
    about |= {"mean": targets.mean.tolist(), "sd": targets.sd.tolist(), "augmentation": asdict(side)}
    write_weights(out, model, about, small=True)
    losses = [round(record["loss"], 4) for record in records]
    card: dict = {"sha256": hashlib.sha256(out.read_bytes()).hexdigest()} | ABOUT
    card |= {"training": {"heads": len(seen.nuclei), "stages": stages, "epochs": epochs, "seed": seed, "loss": losses}}
    card |= {"held_out": {"heads": len(held.nuclei), "by nucleus": scores(model, held, targets, side, labels)}}
    with atomic(out.with_suffix(".json")) as part:
        part.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)


def labels_of_nuclei(truth: pd.DataFrame) -> dict[str, list[int]]:
    """Nucleus → its labels, left and right, in the order of `resources/nuclei.tsv`."""
    table = pd.read_csv(HOME / "resources" / "nuclei.tsv", sep="\t")
    found = {name: sorted(set(rows["label"].astype(int))) for name, rows in table.groupby("name", sort=False)}
    return {name: labels for name, labels in found.items() if f"{name}_chi_ppb" in truth}


def main() -> None:
    """Train the encoder; write its weights and their card."""
    parser = argparse.ArgumentParser(prog="python -m qnet.networks.train_encoder", description=__doc__)
    parser.add_argument("heads", type=Path, help="folder that python -m benchmarks.encoder_heads has filled")
    parser.add_argument("out", type=Path, help="weights to write, .safetensors; their card goes beside them")
    parser.add_argument("--stages", type=int, default=STAGES, choices=[2, 3, 4], help="of ResNet18")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    train_and_write(chosen.heads, chosen.out, chosen.stages, chosen.epochs, chosen.seed)


if __name__ == "__main__":
    main()
