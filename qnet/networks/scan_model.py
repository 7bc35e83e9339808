"""The network of stage 2: a bidirectional LSTM over the embedded slices of a scan, and what reads its outputs."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from qnet.networks.measured_model import MeasuredModel
from qnet.networks.model import FEATURES
from qnet.networks.weights import read_weights

HEADS = ("concat", "mean", "attention")
MEASURED = "measured"  # the head that reads a pre-trained encoder, see `measured_model`


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


class ScanModel(nn.Module):
    """One bidirectional LSTM layer over the embedded slices of a scan, with two linear heads.

    The image head gives logits of every slice. What the scan head reads is named by `head`:

    `concat`
        the outputs of all T slices in a row, as in the paper. Every scan must have the T of training.
    `mean`
        the mean of the outputs.
    `attention`
        the mean of the outputs weighted by gated attention.

    The last two take scans of any length; shorter ones are padded at their end with anything.

    Parameters
    ----------
    head : str
    hidden_size : int
        H, units of the LSTM in each direction, and of the attention.
    slices : int
        T of the training scans.
    """

    def __init__(self, head: str, hidden_size: int, slices: int):
        if head not in HEADS:
            raise ValueError(f"head: expected one of {HEADS}, found {head!r}")
        super().__init__()
        self.head, self.hidden_size, self.slices = head, hidden_size, slices
        width = 2 * hidden_size
        self.lstm = nn.LSTM(FEATURES, hidden_size, batch_first=True, bidirectional=True)
        self.image_head = nn.Linear(width, 2)
        self.scan_head = nn.Linear(width * slices if head == "concat" else width, 2)
        self.attention = GatedAttention(width, hidden_size) if head == "attention" else None

    def forward(
        self, embeddings: Tensor, lengths: Tensor | None = None, ages: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings (N, T, 512) → logits of the images (N, T, 2) and of the scans (N, 2).

        Parameters
        ----------
        embeddings : (N, T, 512)
        lengths : (N,) int64 on the CPU, optional
            Slices of each scan; the image logits behind them mean nothing. All T by default.
        ages : (N,) [years], optional
            Not used: these heads see images only.

        Raises
        ------
        ValueError
            The head is `concat` and a scan has another number of slices than those of training.
        """
        outputs, mask = self._outputs(embeddings, lengths)
        if self.head == "concat":
            return self.image_head(outputs), self.scan_head(outputs.flatten(1))
        pooled = (self._pooling(outputs, mask)[..., None] * outputs).sum(1)
        return self.image_head(outputs), self.scan_head(pooled)

    @torch.no_grad()
    def slice_weights(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        r"""How much each slice has to do with the scan logits: (N, T), at least zero, sum one, zero behind a scan.

        `attention` gives its weights :math:`a_t`. They say where the head looks, not for which class. For the
        other heads the difference of the scan logits is a sum over slices and a constant, and the weight is the
        share of a slice in it, the sign left out:

        .. math:: z_1 - z_0 = \sum_t c_t + b_1 - b_0,\quad c_t = (w_{1t} - w_{0t})^\top h_t,\quad
                  a_t = |c_t| / \sum_s |c_s|

        with one :math:`w_t` a slice in `concat` and :math:`w / T` in `mean`. In each case :math:`h_t` is an output
        of the LSTM, which has seen all slices: a weight marks a position, not evidence in that slice alone.

        Parameters and errors as in `forward`.
        """
        outputs, mask = self._outputs(embeddings, lengths)
        if self.attention is not None:
            return self.attention(outputs, mask)
        difference = self.scan_head.weight[1] - self.scan_head.weight[0]
        share = (outputs * difference.view(-1, outputs.shape[-1])).sum(-1).abs() * mask  # the 1/T of mean cancels
        return share / share.sum(1, keepdim=True).clamp_min(torch.finfo(share.dtype).tiny)

    def _outputs(self, embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs of the LSTM (N, T, 2 H), zero behind a scan, and which slices exist (N, T)."""
        count, longest = embeddings.shape[:2]
        lengths = torch.full((count,), longest) if lengths is None else lengths
        if self.head == "concat" and (strange := {longest, *lengths.tolist()} - {self.slices}):
            raise ValueError(f"head concat: expected scans of {self.slices} slices, found one of {strange.pop()}")
        mask = (torch.arange(longest) < lengths[:, None]).to(embeddings.device)
        if (lengths == longest).all():
            return self.lstm(embeddings)[0], mask
        # packed, so that the backward direction starts at the last slice of each scan and not in its padding
        packed = pack_padded_sequence(embeddings, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=longest)[0], mask

    def _pooling(self, outputs: Tensor, mask: Tensor) -> Tensor:
        """Weights (N, T) of the mean over slices."""
        if self.attention is not None:
            return self.attention(outputs, mask)
        return mask.to(outputs.dtype) / mask.sum(1, keepdim=True)


def read_scan_model(path: str) -> tuple[ScanModel | MeasuredModel, dict]:
    """The scan model of a weights file, in evaluation mode, and how it was made."""
    state, about = read_weights(path)
    if about["head"] == MEASURED:
        model = MeasuredModel(len(state["scan_head.weight"][0]) // 2)
    else:
        model = ScanModel(about["head"], about["hidden_size"], about["slices"])
    model.load_state_dict(state)
    return model.eval(), about
