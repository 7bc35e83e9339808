"""At which height of the brain the scan head looks: weights of slices in MNI space."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from qnet.explanation.enrichment import interval
from qnet.figures import GROUPS, STYLE, save
from qnet.home import HOME
from qnet.images.data import participant_of, read_array

BIN_MM = 4.0
LABELS = HOME / "resources" / "nuclei_shapes.tsv"
RANGE = (2.5, 97.5)  # percentiles of the heights of a nucleus's pixels
COLUMNS = ["z_mm", "group", "subjects", "weight", "low", "high"]


def heights(to_mni: np.ndarray, size: int) -> np.ndarray:
    """MNI z [mm] of the centres of slices (T,), of images of side `size`; `to_mni` as in a stack."""
    centre = (size - 1) / 2
    return to_mni[:, 2] @ (centre, centre, 0, 1)


def with_heights(weights: pd.DataFrame, stacks: Sequence[str], input_name: str) -> pd.DataFrame:
    """Add to the weights of slices their height and how they compare to equal weights.

    Parameters
    ----------
    weights : DataFrame
        participant_id, slice, weight; the weights of a scan sum to one.
    stacks : paths
    input_name : str

    Returns
    -------
    DataFrame
        participant_id, slice, z_mm and weight, times the number of slices: 1 is a slice like any other.

    Raises
    ------
    ValueError
        A subject has no stack, or a slice is not in it.
    """
    places = []
    for path in stacks:
        to_mni = read_array(path, f"{input_name}_to_mni")
        size = read_array(path, f"{input_name}_brain").shape[-1]
        place = {"slice": read_array(path, "slice"), "z_mm": heights(to_mni, size)}
        places.append(pd.DataFrame(place).assign(participant_id=participant_of(path), count=len(to_mni)))
    found = weights.merge(pd.concat(places), on=["participant_id", "slice"], how="left")
    if found["z_mm"].isna().any():
        lost = found.loc[found["z_mm"].isna(), ["participant_id", "slice"]].iloc[0].tolist()
        raise ValueError(f"slice weights: expected slices of the stacks, found {lost}, which no stack has")
    return found.assign(weight=found["weight"] * found.pop("count"))


def by_height(weights: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Mean weight in steps of `BIN_MM`, for all subjects and by group.

    Parameters
    ----------
    weights : DataFrame
        participant_id, group, z_mm, weight.
    draws : int
        Resamples of subjects for the 95 % intervals.

    Returns
    -------
    DataFrame
        COLUMNS; `z_mm` is the middle of a step. A subject counts once in a step, with the mean of its slices there.
    """
    steps = weights.assign(z_mm=(np.floor(weights["z_mm"] / BIN_MM) + 0.5) * BIN_MM)
    steps = steps.groupby(["group", "participant_id", "z_mm"], as_index=False)["weight"].mean()
    found = []
    for group, own in [("all", steps), *steps.groupby("group")]:
        for z_mm, rows in own.groupby("z_mm"):
            values = rows["weight"].to_numpy()
            found.append((z_mm, group, len(rows), values.mean(), *interval(values, draws)))
    return pd.DataFrame(found, columns=COLUMNS)


def nucleus_ranges(stacks: Sequence[str], input_name: str) -> dict[str, tuple[float, float]]:
    """Name → the MNI z [mm] between which 95 % of a nucleus lie, both sides and all subjects together.

    As far as the slices show: what of a nucleus reaches beyond the first or last slice does not count.
    """
    heights_mm, of_pixels = [], []
    for path in stacks:
        nuclei, to_mni = read_array(path, f"{input_name}_nuclei"), read_array(path, f"{input_name}_to_mni")
        t, row, column = np.nonzero(nuclei)
        pixels = np.stack([column, row, np.zeros(len(t)), np.ones(len(t))], -1)
        heights_mm.append((to_mni[t, 2] * pixels).sum(1))
        of_pixels.append(nuclei[t, row, column])
    z_mm, labels = np.concatenate(heights_mm), np.concatenate(of_pixels)
    names = pd.read_csv(LABELS, sep="\t").drop_duplicates("label").set_index("label")["name"]
    found = {}
    for name in names.unique():
        own = z_mm[np.isin(labels, names.index[names == name])]
        if len(own):
            found[name.replace("_", " ")] = tuple(np.percentile(own, RANGE))
    return found


@matplotlib.rc_context(STYLE)
def draw(
    path: str | Path, table: pd.DataFrame, nuclei: dict[str, tuple[float, float]], groups: tuple[str, str], title: str,
    synthetic: bool,
) -> None:  # fmt: skip
    """Draw the mean weight of slices against their height, beside the heights of the nuclei.

    Parameters
    ----------
    path : PNG
    table : result of `by_height`
    nuclei : result of `nucleus_ranges`
    groups : (negative, positive)
    title : str
    synthetic : bool
        Whether to mark the subjects as simulated.
    """
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    ax, side = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for group, colour in zip(groups, GROUPS[:2], strict=True):
        own = table[table["group"] == group].sort_values("z_mm")
        ax.fill_betweenx(own["z_mm"], own["low"], own["high"], color=colour, alpha=0.2, linewidth=0)
        label = f"{group}, {own['subjects'].min()} to {own['subjects'].max()} subjects per step"
        ax.plot(own["weight"], own["z_mm"], "o-", color=colour, markersize=3, label=label)
    ax.axvline(1, color="0.6", linestyle="--", linewidth=1, label="equal weights")
    ax.set(xlabel="weight of a slice × number of slices", ylabel="MNI z [mm], superior upwards")
    ax.legend(fontsize=8, frameon=False)
    for place, (low, high) in enumerate(nuclei.values()):
        side.bar(place, high - low, bottom=low, color="0.75", width=0.7)
    side.set_xticks(range(len(nuclei)), list(nuclei), rotation=60, ha="right")
    side.set_title("nuclei in these slices", fontsize=10)
    note = f"Held-out subjects, steps of {BIN_MM:g} mm; bands: 95 % intervals over subjects."
    save(path, figure, synthetic, title, note)
