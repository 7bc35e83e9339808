"""Head `attention`: the mean of the outputs weighted by gated attention, for scans of any length."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from qnet.networks.heads.recurrent import Recurrent, weighted_sum
from qnet.networks.model import FEATURES


class GatedAttention(nn.Module):
    r"""Gated attention over the slices of a scan, equation 9 of Ilse et al., arXiv:1802.04712.

    .. math:: a_t = \mathrm{softmax}_t\, w^\top (\tanh(V h_t) \odot \sigma(U h_t))
    """

    def __init__(self, width: int, hidden_size: int):
        super().__init__()
        self.value = nn.Linear(width, hidden_size, bias=False)
        self.gate = nn.Linear(width, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, outputs: Tensor, mask: Tensor) -> Tensor:
        """(N, T, D) and which slices exist (N, T) → weights (N, T) that sum to one, zero where no slice is."""
        scores = self.score(torch.tanh(self.value(outputs)) * torch.sigmoid(self.gate(outputs)))[..., 0]
        return scores.masked_fill(~mask, -torch.inf).softmax(1)


class Attention(Recurrent):
    """The scan head reads the weighted mean over the slices, (N, 2 H)."""

    def __init__(self, hidden_size: int, slices: int, inputs: int, features: int):
        super().__init__(hidden_size, slices, inputs, features)
        self.attention = GatedAttention(inputs, hidden_size)

    @classmethod
    def build(cls, hidden_size: int, slices: int, encoder: str | Path | None, features: int = FEATURES) -> Self:
        return cls(hidden_size, slices, 2 * hidden_size, features)

    def pool(self, outputs: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(self.attention(outputs, mask), outputs)

    @torch.no_grad()
    def slice_weights(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The attention weights (N, T): where the head looks, not for which class."""
        return self.attention(*self.outputs(embeddings, lengths))
