"""Does the evidence lie in the nuclei? Its share there against their share of the brain."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from qnet.explanation.template import Evidence, cell_weights, pitch, seen, to_pixels

KINDS = ("absolute", "positive")  # the size of the evidence, and what speaks for the positive group
DIFFERENCE = "trained - random"
ROWS = (
    ("absolute", "trained"),
    ("absolute", "random"),
    ("absolute", DIFFERENCE),
    ("absolute", "ideal"),
    ("positive", "trained"),
    ("positive", "ideal"),
)
SEED = 0  # of the bootstrap
MEASURES = ["evidence_share", "area_share", "enrichment"]
COLUMNS = ["weights", "evidence", "group", "subjects", *MEASURES, "low", "high", "cell_mm"]


def shares(evidence: np.ndarray, nuclei: np.ndarray, brain: np.ndarray) -> tuple[float, float]:
    """Share of the evidence in the brain that lies in the nuclei, and their share of its area.

    Parameters
    ----------
    evidence : (T, C, C) float array, not negative
    nuclei, brain : (T, C, C) bool array

    Returns
    -------
    evidence_share, area_share : float
        NaN where there is no evidence, or no brain.
    """
    inside = nuclei & brain
    total, area = evidence[brain].sum(dtype=float), brain.sum()
    evidence_share = evidence[inside].sum(dtype=float) / total if total > 0 else np.nan
    return float(evidence_share), float(inside.sum() / area) if area else np.nan


def ideal_maps(nuclei: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """The map of a network whose evidence comes from the nuclei alone, as coarse as its cells, (T, h, w).

    Each cell holds the share of nuclei among the pixels that it is interpolated to, weighted as there.
    """
    rows, columns = (cell_weights(nuclei.shape[-1], count) for count in cells)
    return (rows.T / rows.sum(0)[:, None]) @ nuclei @ (columns / columns.sum(0))


def of_subject(case: Evidence) -> pd.DataFrame:
    """Enrichment of one subject: a row for each of KINDS, for the trained, the random and the ideal maps.

    The share of the evidence at all pixels of all slices inside the nuclei, over the nuclei's share of the area;
    both within the brain that the network saw. 1 is what a map that ignores the nuclei has.
    """
    brain, nuclei = case.array("brain"), case.array("nuclei") > 0
    rows, columns = seen(brain.shape[-1], case.crop_size)
    brain, nuclei = brain[:, rows, columns], nuclei[:, rows, columns]
    maps = {"trained": case.maps, "random": case.control, "ideal": ideal_maps(nuclei, case.maps.shape[1:])}
    found = []
    for weights, own in maps.items():
        pixels = to_pixels(own, case.crop_size)
        for kind, evidence in zip(KINDS, (np.abs(pixels), np.maximum(pixels, 0)), strict=True):
            found.append((weights, kind, *shares(evidence, nuclei, brain)))
    table = pd.DataFrame(found, columns=["weights", "evidence", "evidence_share", "area_share"])
    table["enrichment"] = table["evidence_share"] / table["area_share"]
    return table.assign(participant_id=case.participant, group=case.group)


def interval(values: np.ndarray, draws: int) -> np.ndarray:
    """95 % interval (2,) of the mean of subjects (N,), percentiles over `draws` resamples of them."""
    index = np.random.default_rng(SEED).integers(len(values), size=(draws, len(values)))
    return np.percentile(values[index].mean(1), [2.5, 97.5])


def enrichment(cases: Sequence[Evidence], draws: int) -> pd.DataFrame:
    """Mean enrichment of subjects, all together and by group.

    The nuclei are not dilated: a cell is larger than most of them, and a margin of one cell would fill the cropped
    input. What the cells can show at best is the row `ideal`; `trained - random` is the difference of a subject's two
    values. What random weights call positive is chance, so only their absolute evidence is given.

    Parameters
    ----------
    cases : sequence of Evidence
    draws : int
        Resamples of subjects for the intervals.

    Returns
    -------
    DataFrame
        COLUMNS; `low` and `high` bound the 95 % interval of `enrichment`, `cell_mm` is the mean distance of two cells
        in MNI space. Subjects without any evidence of a kind,
        or without nuclei in view, do not count for it.
    """
    table = pd.concat([of_subject(case) for case in cases], ignore_index=True)
    table = pd.concat([table, difference(table)], ignore_index=True)
    table = table[np.isfinite(table["enrichment"])]
    found = []
    groups = ["all", *sorted({case.group for case in cases})]
    for (kind, weights), group in product(ROWS, groups):
        rows = table[(table["evidence"] == kind) & (table["weights"] == weights)]
        rows = rows if group == "all" else rows[rows["group"] == group]
        if len(rows):
            bounds = interval(rows["enrichment"].to_numpy(), draws)
            found.append((weights, kind, group, len(rows), *rows[MEASURES].mean(), *bounds))
    cell_mm = np.mean(
        [pitch(case.crop_size, case.maps.shape[-1]) * np.linalg.norm(case.array("to_mni")[0, :, 0]) for case in cases]
    )
    return pd.DataFrame(found, columns=COLUMNS[:-1]).assign(cell_mm=cell_mm)


def difference(table: pd.DataFrame) -> pd.DataFrame:
    """Trained minus random, of the same subject and kind; the share of the area is the same for both."""
    keys = ["participant_id", "group", "evidence"]
    trained, random = (table[table["weights"] == weights].set_index(keys) for weights in ("trained", "random"))
    found = trained[MEASURES] - random[MEASURES]
    return found.assign(weights=DIFFERENCE, area_share=trained["area_share"]).reset_index()
