"""Images that a network can learn from, and settings for a training of seconds."""

import numpy as np

from qnet.networks.train import ImageTraining
from tests.qnet.settings import PAPER

SIZE = 32
ALL = (True, True, True)
PARAMS = ImageTraining(
    network="resnet18",
    weights="none",
    trainable="all",
    epochs=4,
    batch_size=8,
    learning_rate=3e-4,
    final_learning_rate=1e-4,
    swa_fraction=0.5,
    precision="float32",
    augment_on="cpu",
    augmentation=PAPER,
)


def toy(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a disc in the first channel, twice as wide in the positive class: (N, 3, S, S) in [0, 1], (N,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = np.linspace(-1, 1, SIZE)
    radius = np.where(labels, 0.6, 0.3)[:, None, None]
    images = 0.3 + 0.1 * rng.normal(size=(count, 3, SIZE, SIZE))
    images[:, 0] += 0.5 * (np.hypot(x[:, None], x) < radius)
    return images.clip(0, 1).astype(np.float16), labels


def names(count: int) -> list[str]:
    return [f"sub-{i // 5:02d} slice {i % 5}" for i in range(count)]
