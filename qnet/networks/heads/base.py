"""What every scan model does: embedded slices of a scan → logits of its images and of the scan."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from qnet.networks.model import FEATURES


class ScanModel(nn.Module, ABC):
    """A network of stage 2. Each head is a subclass, in a file of this folder.

    Attributes
    ----------
    image_head, scan_head : nn.Linear
        The last layers.
    slices : int
        T of the training scans, 0 where any number will do.
    reads_located : bool
        Whether the means over the located nuclei stand behind the embeddings, see `qnet.networks.located`.
    """

    reads_located = False

    image_head: nn.Linear
    scan_head: nn.Linear
    slices: int

    @classmethod
    @abstractmethod
    def build(cls, hidden_size: int, slices: int, encoder: str | Path | None, features: int = FEATURES) -> Self:
        """An untrained model.

        Parameters
        ----------
        hidden_size : int
            H, units of the LSTM in each direction, and of the attention.
        slices : int
            T of the training scans.
        encoder : weights file of a pre-trained encoder, for heads that read one
        features : F, numbers that an image model embeds a slice in
        """

    @classmethod
    @abstractmethod
    def read(cls, state: Mapping[str, Tensor], about: Mapping) -> Self:
        """A model with room for the tensors `state` of a weights file; `about` says how they were made."""

    def learn_usual(self, embeddings: Tensor, lengths: Tensor, ages: Tensor, labels: Tensor) -> None:
        """Take what is usual from the training scans, before any step; only for heads that know and were not told.

        Parameters
        ----------
        embeddings : (N, T, F)
        lengths : (N,) int64 on the CPU
        ages : (N,) [years], NaN where unknown
        labels : (N,) 0 or 1
        """

    @abstractmethod
    def forward(
        self, embeddings: Tensor, lengths: Tensor | None = None, ages: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings (N, T, F) → logits of the images (N, T, 2) and of the scans (N, 2).

        Parameters
        ----------
        embeddings : (N, T, F)
        lengths : (N,) int64 on the CPU, optional
            Slices of each scan; the image logits behind them mean nothing. All T by default.
        ages : (N,) [years], optional
            NaN where unknown; by default all are. Only heads that know what is usual at an age use it.
        """

    @abstractmethod
    def slice_weights(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        """How much each slice has to do with the scan logits: (N, T), at least zero, sum one, zero behind a scan."""


def slices_of(embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Slices of each scan (N,) on the CPU, all T by default; which exist (N, T), on the device."""
    count, longest = embeddings.shape[:2]
    lengths = torch.full((count,), longest) if lengths is None else lengths
    return lengths, (torch.arange(longest) < lengths[:, None]).to(embeddings.device)
