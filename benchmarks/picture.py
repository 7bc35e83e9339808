"""Pictures of one run: bars of the tables, and the maps of both arms beside the truth."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benchmarks.heads import Head
from recon.check.pictures import canonical, section
from recon.maths.boxes import bounding_box
from recon.pipeline import Maps

DPI = 110
SHADES = ("#9ecae1", "#4292c6", "#08306b")  # of the sizes
PEER_SHADES = ("#fdd0a2", "#fd8d3c", "#a63603")
WINDOWS_PPM = {"truth": 0.15, "χ": 0.15, "error": 0.10}  # grey from minus to plus
ROW_INCHES = 0.34


def draw_bars(path: Path, rows: pd.DataFrame, value: str, label: str, title: str, log: bool = False) -> None:
    """Horizontal bars of one column: a group a method, a shade a size, peers in orange."""
    figure = Figure(figsize=(9, 1.2 + ROW_INCHES * rows["name"].nunique()), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    names, sizes = list(dict.fromkeys(rows["name"])), list(dict.fromkeys(rows["size"]))
    height = 0.8 / len(sizes)
    for i, size in enumerate(sizes):
        group = rows[rows["size"] == size]
        at = np.array([names.index(name) for name in group["name"]]) + (i - (len(sizes) - 1) / 2) * height
        shades = [(PEER_SHADES if peer else SHADES)[i % len(SHADES)] for peer in group["is_peer"]]
        ax.barh(at, group[value], height, color=shades)
        ax.barh([0], [0], color=SHADES[i % len(SHADES)], label=size)
    if rows["is_peer"].any():
        ax.barh([0], [0], color=PEER_SHADES[1], label="peer")
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(len(names) - 0.4, -0.6)
    if log:
        ax.set_xscale("log")
        ax.axvline(1, color="black", linewidth=0.8)
    ax.grid(axis="x", alpha=0.3)
    ax.set(xlabel=label, title=title)
    ax.legend(fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a name for every row and whether it is a peer's."""
    source = table["input"].where(~table["input"].isin(["true", "own mask"]))
    name = table["stage"] + ": " + table["method"] + (", " + source).fillna("")
    return table.assign(name=name, is_peer=table["method"].str.contains("scikit-image|brainextractor"))


def cost_picture(path: Path, costs: pd.DataFrame) -> None:
    """CPU time over that of the transforms that a row cannot avoid."""
    rows = named(costs[costs["cpu_s"].notna()])
    label = "CPU time / float32 FFT pairs that the row needs (one pair where it needs none)"
    draw_bars(path, rows, "cpu_per_fft_pairs", label, "Cost of every stage and chain, simulated head", log=True)


def accuracy_picture(path: Path, accuracies: pd.DataFrame) -> None:
    """Normalised error of the stages that yield a map of field or susceptibility."""
    rows = named(accuracies[accuracies["metric"] == "nrmse_percent"])
    draw_bars(path, rows, "value", "NRMSE [%]", "Accuracy of local field and susceptibility, simulated head")


def chi_picture(path: Path, head: Head, maps: dict[str, Maps]) -> None:
    """One axial slice through the deep grey nuclei: truth, map and error of each arm, within its own mask."""
    affine, nuclei, chi = np.array(head.affine), head["nuclei"], head["chi_ppm"]
    z = int(np.median(np.nonzero(canonical(nuclei > 0, affine)[0])[2]))
    frame = [(s.start, s.stop) for s in bounding_box(canonical(head["brain"], affine)[0])]
    figure = Figure(figsize=(10.5, 3.5 * len(maps) + 0.5), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(maps), 3, squeeze=False)
    for row, (arm, made) in zip(axes, maps.items(), strict=True):
        truth = np.where(made.mask, chi - chi[made.mask].mean(dtype=np.float64), 0)
        error = np.where(made.mask, made.chi_ppm - truth, 0)
        for ax, (what, volume) in zip(row, (("truth", truth), ("χ", made.chi_ppm), ("error", error)), strict=True):
            image = draw_slice(ax, volume, affine, z, frame, WINDOWS_PPM[what])
            ax.set_title(f"{arm}: {what}", fontsize=10)
            figure.colorbar(image, ax=ax, shrink=0.8, label="ppm")
    figure.suptitle("Susceptibility of a simulated head, axial slice through the deep grey nuclei")
    figure.savefig(path, metadata={"Software": None})


def draw_slice(ax: Axes, volume: np.ndarray, affine: np.ndarray, z: int, frame: list, window_ppm: float) -> AxesImage:
    """Grey slice in the radiological convention, sides marked."""
    data, (dx, dy, _) = canonical(volume, affine)
    flat = section(data, "axial", z, frame)
    image = ax.imshow(flat, cmap="gray", vmin=-window_ppm, vmax=window_ppm, origin="lower", aspect=dy / dx)
    for letter, x in (("R", 0.04), ("L", 0.96)):
        ax.text(x, 0.5, letter, color="white", ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()
    return image


def head_picture(path: Path, head: Head, maps: Maps, title: str) -> None:
    """One axial slice of a map beside its truth and its error over the brain: where the error is largest."""
    affine, brain = np.array(head.affine), head["brain"]
    truth = np.where(brain, head["chi_ppm"] - head["chi_ppm"][brain].mean(dtype=np.float64), 0)
    error = np.where(brain, maps.chi_ppm - truth, 0)
    power = (error.astype(np.float64) ** 2).sum((0, 1))
    z = int(np.argmax(np.where(brain.sum((0, 1)) > brain.sum((0, 1)).max() / 2, power, 0)))
    frame = [(s.start, s.stop) for s in bounding_box(brain)]
    figure = Figure(figsize=(10.5, 4), dpi=DPI // 2, layout="constrained")
    for ax, (what, volume) in zip(
        figure.subplots(1, 3), (("truth", truth), ("χ", maps.chi_ppm), ("error", error)), strict=True
    ):
        image = draw_slice(ax, volume, affine, z, frame, WINDOWS_PPM[what])
        ax.set_title(what, fontsize=10)
        figure.colorbar(image, ax=ax, shrink=0.8, label="ppm")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, metadata={"Software": None})
