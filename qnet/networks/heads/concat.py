"""Head `concat` of the paper: the outputs of all slices in a row. Every scan must have the T of training."""

from pathlib import Path
from typing import Self

from torch import Tensor

from qnet.networks.heads.recurrent import Recurrent
from qnet.networks.model import FEATURES


class Concat(Recurrent):
    """The scan head reads the outputs of all T slices, (N, T · 2 H)."""

    @classmethod
    def build(cls, hidden_size: int, slices: int, encoder: str | Path | None, features: int = FEATURES) -> Self:
        return cls(hidden_size, slices, 2 * hidden_size * slices, features)

    def outputs(self, embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """As in `Recurrent`; ValueError for a scan with another number of slices than those of training."""
        found = {embeddings.shape[1], *([] if lengths is None else lengths.tolist())}
        if strange := found - {self.slices}:
            raise ValueError(f"head concat: expected scans of {self.slices} slices, found one of {strange.pop()}")
        return super().outputs(embeddings, lengths)

    def pool(self, outputs: Tensor, mask: Tensor) -> Tensor:
        return outputs.flatten(1)
