"""`python -m qnet.networks.train_encoder`: what its card tells is what the stored weights do."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from qnet.images.augment import Augmentation
from qnet.networks import train_encoder
from qnet.networks.heads.measured import Measured
from qnet.networks.pretrain import targets_of
from qnet.networks.train_encoder import HELD_OUT, Heads, labels_of_nuclei, scores
from qnet.networks.weights import read_image_model, read_weights

HEADS, SLICES, SIZE = 2 * HELD_OUT, 2, 40
NAMES = ["caudate_chi_ppb", "caudate_r2star_hz"]


def write_heads(folder: Path) -> Path:
    """Heads whose brightness is the susceptibility of the one nucleus that they show."""
    rng = np.random.default_rng(0)
    for number in range(HEADS):
        chi = rng.normal(60, 20)
        images = chi / 200 + rng.normal(0, 0.01, (SLICES, 3, SIZE, SIZE))
        nuclei = np.zeros((SLICES, SIZE, SIZE), np.uint8)
        nuclei[:, 10:30, 10:30] = 1  # left caudate
        np.savez(
            folder / f"{number:04d}.npz", images=images.astype(np.float16), nuclei=nuclei, names=np.array(NAMES),
            values=np.array([chi, rng.normal(25, 3)]),
        )  # fmt: skip
    return folder


def train(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The command; what the card says."""
    monkeypatch.setattr(sys, "argv", ["train_encoder", str(folder), str(out), "--stages", "2", "--epochs", "2"])
    train_encoder.main()
    return json.loads(out.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of the heads, file of the encoder and its card."""
    folder = tmp_path_factory.mktemp("heads")
    with pytest.MonkeyPatch.context() as patch:
        card = train(write_heads(folder), folder / "encoder.safetensors", patch)
    return folder, folder / "encoder.safetensors", card


def test_the_card_tells_of_the_stored_weights_and_of_heads_that_were_held_out(trained):
    folder, file, card = trained
    assert card["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert card["training"]["heads"] == HEADS - HEADS // HELD_OUT and card["held_out"]["heads"] == HEADS // HELD_OUT
    model, about = read_image_model(file)
    paths = sorted(folder.glob("*.npz"))
    seen, held = Heads.read([path for i, path in enumerate(paths) if i % HELD_OUT], 0), Heads.read(paths[::HELD_OUT], 1)
    labels = labels_of_nuclei(seen.truth)
    targets = targets_of(seen.truth, seen.nuclei, labels, 1)
    again = scores(model, held, targets, Augmentation(**about["augmentation"]), labels)
    assert again.keys() == set(NAMES) and again == card["held_out"]["by nucleus"]


def test_the_file_is_an_encoder_that_heads_of_the_scan_model_read(trained):
    _, file, _ = trained
    reader = Measured.of_encoder(*read_weights(file))
    assert reader.nuclei == 1 and read_image_model(file)[0].stages == 2
    assert file.stat().st_size < 4e6  # half precision, two stages


def test_the_same_seed_gives_the_same_bytes_and_no_checkpoint_is_left(trained, tmp_path, monkeypatch):
    folder, file, card = trained
    assert train(folder, tmp_path / "again.safetensors", monkeypatch) == card
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()
    assert not [*tmp_path.glob("*.checkpoint"), *folder.glob("*.checkpoint")]


def test_too_few_heads_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="expected heads of python -m benchmarks.encoder_heads, found 0"):
        train(tmp_path, tmp_path / "encoder.safetensors", monkeypatch)
