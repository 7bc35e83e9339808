"""Head `mean`: the mean of the outputs, for scans of any length."""

from pathlib import Path
from typing import Self

from torch import Tensor

from qnet.networks.heads.recurrent import Recurrent, weighted_sum
from qnet.networks.model import FEATURES


class Mean(Recurrent):
    """The scan head reads the mean over the slices that exist, (N, 2 H)."""

    @classmethod
    def build(cls, hidden_size: int, slices: int, encoder: str | Path | None, features: int = FEATURES) -> Self:
        return cls(hidden_size, slices, 2 * hidden_size, features)

    def pool(self, outputs: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(mask.to(outputs.dtype) / mask.sum(1, keepdim=True), outputs)
