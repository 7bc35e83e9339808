"""Heads that read measurements, judged for age: `measured`, what a pre-trained encoder says about each nucleus, and
`nuclei`, these and the means over the located labels.

The other heads learn from some eighty scans what hundreds of features mean. Here the encoder has learnt that
beforehand, on simulated subjects. What is usual at an age is told by the same subjects or, where these stand for no
population, by the training scans; these are asked for one weight a measurement besides.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from qnet.networks.heads.base import ScanModel, slices_of
from qnet.networks.model import FEATURES
from qnet.networks.weights import read_weights

AGE_CENTRE, AGE_UNIT = 50.0, 20.0  # years
# prior variances over 20 years and its square, in variances between subjects: as those of section `model_card`
SLOPE, CURVATURE = 1.0, 0.25
SMALLEST_SD = 1e-6  # of a measurement that varies [SD; ppm; 1/s]
RIDGE = 0.1  # variance added before whitening, of the subjects' variance: measurements of one nucleus nearly repeat


class Measured(ScanModel):
    r"""Linear heads on measurements that are whitened among healthy subjects of the same age.

    The encoder's last layer gives, for slice t, values :math:`y_{tk}` of every nucleus and quantity and the
    probability :math:`p_{tk}` that the slice shows that nucleus. Then

    .. math:: m_k = \sum_t p_{tk} y_{tk} / \sum_t p_{tk},\quad z = W (m - f(\mathrm{age}))

    with f quadratic in age and W the whitening of what remains, both from the simulated subjects of the encoder. Where
    its file does not tell them, f comes from the training scans and W only scales (`norms_of_study`). A scan without an
    age is compared with the mean of f over these.

    Parameters
    ----------
    nuclei : int
        R; there are K = 2 R measurements, of susceptibility and of R2*.
    features : int
        F, numbers that the encoder embeds a slice in.
    located : int
        Further measurements, for the subclass that reads some.
    """

    weight: Tensor
    bias: Tensor
    age: Tensor
    whitening: Tensor

    def __init__(self, nuclei: int, features: int = FEATURES, located: int = 0):
        super().__init__()
        self.told = 0  # measurements, the first ones, of which the encoder's file tells what is usual
        self.nuclei, self.slices = nuclei, 0  # any number of slices
        outputs, measurements = 3 * nuclei + 1, 2 * nuclei + located
        self.register_buffer("weight", torch.zeros(outputs, features))
        self.register_buffer("bias", torch.zeros(outputs))
        self.register_buffer("age", torch.zeros(4, measurements))  # of 1, a, a^2; then the mean of f
        self.register_buffer("whitening", torch.eye(measurements))
        self.image_head = nn.Linear(measurements, 2)
        self.scan_head = nn.Linear(measurements, 2)

    @classmethod
    def build(cls, hidden_size: int, slices: int, encoder: str | Path | None, features: int = FEATURES) -> Self:
        """Read with the last layer of the encoder; there is no hidden layer, and any number of slices will do."""
        if encoder is None:
            line = '--config "train_image_model={weights: FILE, trainable: head}"'
            raise ValueError(
                f"head measured: expected train_image_model.weights to name an encoder ({line}), found none"
            )
        return cls.of_encoder(*read_weights(encoder), features)

    @classmethod
    def of_encoder(cls, tensors: Mapping[str, Tensor], about: Mapping, features: int | None = None) -> Self:
        """A model with fresh heads that reads with the last layer of an encoder.

        Parameters
        ----------
        tensors : of the encoder's file
        about : how it was made; `norms` only if it has measured simulated subjects of the population

        Raises
        ------
        ValueError
            The file is not that of an encoder.
        """
        if "targets" not in about:
            found = "expected weights of an encoder (target `pretrain`), found another image model"
            raise ValueError(f"head {cls.__name__.lower()}: {found}")
        nuclei, width = (len(about["targets"]) - 1) // 2, tensors["resnet.fc.weight"].shape[1]
        model = cls(nuclei, width, 0 if features is None else features - width)
        model.weight.copy_(tensors["resnet.fc.weight"])
        model.bias.copy_(tensors["resnet.fc.bias"])
        if "norms" in about:
            model.told = 2 * nuclei
            model.age[:, : model.told] = torch.tensor(about["norms"]["age"])
            model.whitening[: model.told, : model.told] = torch.tensor(about["norms"]["whitening"])
        return model

    @classmethod
    def read(cls, state: Mapping[str, Tensor], about: Mapping) -> Self:
        nuclei, width = (len(state["weight"]) - 1) // 3, state["weight"].shape[1]
        return cls(nuclei, width, state["scan_head.weight"].shape[1] - 2 * nuclei)

    @torch.no_grad()
    def learn_usual(self, embeddings: Tensor, lengths: Tensor, ages: Tensor, labels: Tensor) -> None:
        """As in `ScanModel`, of the measurements of which the encoder's file does not tell what is usual."""
        rest = slice(self.told, None)
        measured = self.measure(embeddings, lengths)[:, rest].cpu().numpy()
        usual = norms_of_study(measured, ages.cpu().numpy(), labels.cpu().numpy())
        self.age[:, rest] = torch.tensor(usual["age"])
        self.whitening[rest, rest] = torch.tensor(usual["whitening"])

    def forward(
        self, embeddings: Tensor, lengths: Tensor | None = None, ages: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As in `ScanModel`; a scan of unknown age is compared with the mean over those who tell what is usual."""
        values, shown = self._read(embeddings, lengths)
        expected = self._expected(len(embeddings), ages)
        there = shown.sum(1) > 0  # what no slice shows counts as usual
        scans = torch.where(there, self._pool(values, shown) - expected, 0) @ self.whitening
        images = (shown * (values - expected[:, None])) @ self.whitening
        return self.image_head(images), self.scan_head(scans)

    @torch.no_grad()
    def measure(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings (N, T, F) → measurements m (N, K), the encoder's in standard deviations of the simulated subjects.

        NaN for what no slice shows.
        """
        return self._pool(*self._read(embeddings, lengths))

    @torch.no_grad()
    def slice_weights(self, embeddings: Tensor, lengths: Tensor | None = None) -> Tensor:
        r"""Share of each slice in the measurements: (N, T), sum one.

        .. math:: a_t = \frac1K \sum_k p_{tk} / \sum_s p_{sk}
        """
        shown = self._read(embeddings, lengths)[1]
        return (shown / shown.sum(1, keepdim=True)).nanmean(2)

    def _read(self, embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Values and probabilities to be shown, both (N, T, K); zero probability behind a scan."""
        mask = slices_of(embeddings, lengths)[1][..., None]
        embedded = embeddings[..., : self.weight.shape[1]].masked_fill(~mask, 0)
        read = embedded @ self.weight.T + self.bias
        shown = torch.sigmoid(read[..., -self.nuclei :]) * mask
        return read[..., : 2 * self.nuclei], torch.cat([shown, shown], 2)

    @staticmethod
    def _pool(values: Tensor, shown: Tensor) -> Tensor:
        return (values * shown).sum(1) / shown.sum(1)

    def _expected(self, count: int, ages: Tensor | None) -> Tensor:
        """f(age) (N, K), or its mean where the age is unknown."""
        if ages is None:
            return self.age[3].expand(count, -1)
        a = (ages.to(self.age) - AGE_CENTRE) / AGE_UNIT
        expected = torch.stack([torch.ones_like(a), a, a**2], 1) @ self.age[:3]
        return torch.where(a.isnan()[:, None], self.age[3], expected)


class Nuclei(Measured):
    """As `Measured`, with the means over the located labels as further measurements (`qnet.networks.located`).

    They stand behind the F numbers that the encoder embeds a slice in, the same in all slices of a scan, NaN where a
    nucleus was not located.
    """

    reads_located = True

    def _read(self, embeddings: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        values, shown = super()._read(embeddings, lengths)
        located = embeddings[..., self.weight.shape[1] :]
        there = located.isfinite() & slices_of(embeddings, lengths)[1][..., None]
        return torch.cat([values, located.nan_to_num()], 2), torch.cat([shown, there.to(shown)], 2)


def norms(measured: np.ndarray, ages: np.ndarray) -> dict[str, list]:
    """What is usual at an age, from subjects without an effect.

    Parameters
    ----------
    measured : (N, K)
        Result of `Measured.measure`.
    ages : (N,) [years]

    Returns
    -------
    dict of plain values
        `age` (4, K): coefficients of f and its mean; `whitening` (K, K).
    """
    a = (np.asarray(ages, float) - AGE_CENTRE) / AGE_UNIT
    basis = np.stack([np.ones_like(a), a, a**2], axis=1)
    coefficients = np.linalg.lstsq(basis, measured, rcond=None)[0]
    variance, axes = np.linalg.eigh(np.cov((measured - basis @ coefficients).T))
    whitening = axes / np.sqrt(variance + RIDGE)
    return {"age": [*coefficients.tolist(), (basis @ coefficients).mean(0).tolist()], "whitening": whitening.tolist()}


def norms_of_study(measured: np.ndarray, ages: np.ndarray, labels: np.ndarray) -> dict[str, list]:
    r"""What is usual at an age, from the scans of a study, where both groups age alike.

    .. math:: m = c + s\,y + \beta_1 a + \beta_2 a^2 + e, \quad f(a) = c + \beta_1 a + \beta_2 a^2

    with group y and age a in `AGE_UNIT` from `AGE_CENTRE`; :math:`\beta_1, \beta_2` have normal priors of mean 0 and SD
    `SLOPE` and `CURVATURE` in units of the SD of e. A few dozen scans do not determine the covariance of e, and to
    whiten by it costs more than it gives (docs/explanation/learning.md): each measurement is divided by its SD alone.

    Parameters
    ----------
    measured : (N, K), NaN where missing: these stand at the mean
    ages : (N,) [years], NaN where unknown: these stand at the mean age
    labels : (N,) 0 or 1

    Returns
    -------
    dict, as of `norms`
    """
    a = (np.asarray(ages, float) - AGE_CENTRE) / AGE_UNIT
    a = np.where(np.isnan(a), np.nanmean(a) if np.isfinite(a).any() else 0.0, a)
    y, known = np.asarray(labels, float), np.isfinite(measured)
    means = np.where(known, measured, 0).sum(0) / np.maximum(known.sum(0), 1)
    measured = np.where(known, measured, means)
    basis = np.stack([np.ones_like(a), a, a**2, y - y.mean()], axis=1)
    prior = np.diag([0, SLOPE**-2, CURVATURE**-2, 1e-9])  # the last where there is one group
    coefficients = np.linalg.solve(basis.T @ basis + prior, basis.T @ measured)
    rest = measured - basis @ coefficients
    coefficients[0] -= y.mean() * coefficients[3]  # at y = 0
    sd = np.sqrt((rest**2).sum(0) / max(len(rest) - 2, 1))
    whitening = np.diag(
        np.divide(1, sd, out=np.zeros_like(sd), where=sd > SMALLEST_SD)
    )  # what never varies tells nothing
    usual = (basis[:, :3] @ coefficients[:3]).mean(0)
    return {"age": [*coefficients[:3].tolist(), usual.tolist()], "whitening": whitening.tolist()}
