"""Class activation maps: where in a slice the evidence lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from qnet.data import atomic
from qnet.model import ImageModel

QSM_WINDOW_PPM = (-0.1, 0.2)
PER_OUTCOME = 2  # subjects shown per group, right and wrong each


@torch.inference_mode()
def evidence_map(model: ImageModel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Exact share of each cell of the last feature maps in the decision of the image model.

    .. math:: M = \sum_k (w_k^+ - w_k^-) A_k,\quad \overline{M} + b^+ - b^- = l^+ - l^-

    with feature maps A, weights w and biases b of the last layer and logits l, positive minus negative.

    Parameters
    ----------
    model : ImageModel
    images : (N, 3, C, C) float32 array
        Prepared as for prediction.

    Returns
    -------
    maps : (N, h, w) float array
        Evidence in logits: above zero speaks for the positive class. Cells have 32 pixels a side.
    logit_difference : (N,) float array

    References
    ----------
    .. [1] Zhou et al., CVPR (2016), doi:10.1109/cvpr.2016.319
    """
    features = model.feature_maps(torch.from_numpy(images).to(model.mean.device))  # (N, K, h, w)
    head = model.resnet.fc
    maps = torch.einsum("k,nkhw->nhw", head.weight[1] - head.weight[0], features)
    difference = maps.mean((1, 2)) + head.bias[1] - head.bias[0]
    return maps.cpu().numpy(), difference.cpu().numpy()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One slice of a held-out subject and what the model makes of it."""

    participant: str
    group: str
    correct: bool
    slice: int
    score: float
    qsm_ppm: np.ndarray  # (S, S)
    evidence: np.ndarray  # (h, w) [logit]
    crop_size: int  # side of the part of the slice that the model saw [pixels]


def select(cases: Sequence[Case], groups: Sequence[str]) -> list[list[Case]]:
    """One row per group: the first right, then the first wrong subjects in the order of their names."""
    rows = []
    for group in groups:
        own = sorted((case for case in cases if case.group == group), key=lambda case: case.participant)
        right, wrong = ([case for case in own if case.correct is outcome] for outcome in (True, False))
        rows.append(right[:PER_OUTCOME] + wrong[:PER_OUTCOME])
    return rows


def montage(path: str | Path, cases: Sequence[Case], negative: str, positive: str, title: str, synthetic: bool) -> None:
    """Draw, for subjects of both groups, the QSM slice and the same slice under its evidence map.

    Parameters
    ----------
    path : PNG
    cases : sequence of Case
    negative, positive : str
        Names of the groups.
    title : str
    synthetic : bool
        Whether to mark the subjects as simulated.
    """
    rows = select(cases, (positive, negative))
    columns = max(2, *map(len, rows))
    figure = Figure(figsize=(2.5 * columns + 1.6, 11.6), dpi=110, layout="constrained")
    axes = figure.subplots(4, columns, squeeze=False)
    limit = max(float(np.abs(case.evidence).max()) for row in rows for case in row)
    qsm = evidence = None
    for i, row in enumerate(rows):
        for j in range(columns):
            pair = axes[2 * i : 2 * i + 2, j]
            for ax in pair:
                ax.set_axis_off()
            if j >= len(row):
                continue
            case = row[j]
            for ax in pair:
                low, high = QSM_WINDOW_PPM
                qsm = ax.imshow(case.qsm_ppm, cmap="gray", vmin=low, vmax=high)
                marks = {"R": (0.04, 0.5), "L": (0.96, 0.5), "A": (0.5, 0.95), "P": (0.5, 0.05)}
                for mark, (x, y) in marks.items():
                    ax.text(x, y, mark, color="yellow", ha="center", va="center", transform=ax.transAxes)
            low = (case.qsm_ppm.shape[0] - case.crop_size) // 2 - 0.5
            extent = (low, low + case.crop_size, low + case.crop_size, low)
            evidence = pair[1].imshow(
                case.evidence, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.45, extent=extent,
                interpolation="bilinear",
            )  # fmt: skip
            pair[1].set(xlim=pair[0].get_xlim(), ylim=pair[0].get_ylim())
            outcome = "right" if case.correct else "wrong"
            about = f"slice {case.slice}, P({positive}) {case.score:.2f}"
            pair[0].set_title(f"{case.participant}, {case.group}: {outcome}\n{about}", fontsize=9)
    figure.colorbar(qsm, ax=axes[:2].ravel().tolist(), label="QSM [ppm]", shrink=0.6)
    label = f"evidence [logit]: red for {positive}, blue for {negative}"
    figure.colorbar(evidence, ax=axes[2:].ravel().tolist(), label=label, shrink=0.6)
    cells = " × ".join(map(str, next(case for row in rows for case in row).evidence.shape))
    figure.suptitle(("SYNTHETIC SUBJECTS\n" if synthetic else "") + title, fontsize=12)
    figure.supxlabel(
        "Held-out subjects, the first of each group that the vote of ResNetSWA has right and wrong.\n"
        f"Middle slice. Map of {cells} cells, interpolated. R: the subject's right (radiological view).\n"
        "RESEARCH USE ONLY",
        fontsize=9,
    )
    with atomic(path) as part:
        figure.savefig(part, metadata={"Software": None})  # the same figure gives the same bytes
