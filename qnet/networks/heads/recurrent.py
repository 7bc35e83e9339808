"""The LSTM of the paper over the embedded slices of a scan, which three heads read."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from qnet.networks.heads.base import ScanModel, slices_of


class Recurrent(ScanModel):
    """One bidirectional LSTM layer over the embedded slices of a scan, with two linear heads.

    The image head gives logits of every slice; what the scan head reads is up to the subclass, in `pool`.

    Parameters
    ----------
    hidden_size : int
        H, units of the LSTM in each direction.
    slices : int
        T of the training scans.
    inputs : int
        Numbers that the scan head reads.
    features : int
        F, numbers that a slice is embedded in.
    """

    def __init__(self, hidden_size: int, slices: int, inputs: int, features: int):
        super().__init__()
        self.hidden_size, self.slices = hidden_size, slices
        self.lstm = nn.LSTM(features, hidden_size, batch_first=True, bidirectional=True)
        self.image_head = nn.Linear(2 * hidden_size, 2)
        self.scan_head = nn.Linear(inputs, 2)

    @classmethod
    def read(cls, state: Mapping[str, Tensor], about: Mapping) -> Self:
        return cls.build(about["hidden_size"], about["slices"], None, state["lstm.weight_ih_l0"].shape[1])

    def forward(
        self, embeddings: Tensor, lengths: Tensor | None = None, ages: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As in `ScanModel`; ages are not used."""
        outputs, mask = self.outputs(embeddings, lengths)
        pooled = self.pool(outputs, mask)
        return self.image_head(outputs), self.scan_head(pooled)

    @abstractmethod
    def pool(self, outputs: Tensor, mask: Tensor) -> Tensor:
        """Outputs (N, T, 2 H) of the LSTM and which slices exist (N, T) → what the scan head reads (N, inputs)."""

    @torch.no_grad()
    def slice_weights(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        r"""Share of each slice in the difference of the scan logits, the sign left out: (N, T).

        .. math:: z_1 - z_0 = \sum_t c_t + b_1 - b_0,\quad c_t = (w_{1t} - w_{0t})^\top h_t,\quad
                  a_t = |c_t| / \sum_s |c_s|

        with one :math:`w_t` for each slice in `concat` and :math:`w / T` in `mean`. :math:`h_t` is an output of the
        LSTM, which has seen all slices: a weight marks a position, not evidence in that slice alone.
        """
        outputs, mask = self.outputs(embeddings, lengths)
        difference = self.scan_head.weight[1] - self.scan_head.weight[0]
        share = (outputs * difference.view(-1, outputs.shape[-1])).sum(-1).abs() * mask  # the 1/T of mean cancels
        return share / share.sum(1, keepdim=True).clamp_min(torch.finfo(share.dtype).tiny)

    def outputs(self, embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs of the LSTM (N, T, 2 H), zero behind a scan, and which slices exist (N, T)."""
        longest = embeddings.shape[1]
        lengths, mask = slices_of(embeddings, lengths)
        if (lengths == longest).all():
            return self.lstm(embeddings)[0], mask
        # packed, so that the backward direction starts at the last slice of each scan and not in its padding
        packed = pack_padded_sequence(embeddings, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=longest)[0], mask


def weighted_sum(weights: Tensor, outputs: Tensor) -> Tensor:
    """Weights (N, T) and outputs (N, T, D) → (N, D)."""
    return (weights[..., None] * outputs).sum(1)
