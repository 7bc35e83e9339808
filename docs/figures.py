"""Pictures of the documentation, drawn from finished runs of the simulated cohort.

    python docs/figures.py [RUN] [--consensus RUN] [--scan sub-03] [--out docs/images]

RUN is a results folder (results/simulated, what `make demo` leaves); the other one holds at least the susceptibility
map of the same scan made with `pipeline=consensus`.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from qnet.labels import RESEARCH_USE, SYNTHETIC
from recon.check.pictures import MARK, REGION_COLOURS, canonical, section
from recon.files.io import Volume, read_volume

LABEL = f"{SYNTHETIC}: one simulated head. {RESEARCH_USE}"
DPI = 90
COLOURS = 112  # of a PNG's palette: a third of the bytes
PAGE_PIXELS, PAGE_COLOURS = 770, 64  # of a page's picture
MARGIN = 6  # voxels around the brain
BLUE, GREY = "#0072b2", "0.35"


class Shown(NamedTuple):
    """One map as it is drawn: slice (up, across) in the radiological convention, limits, unit, colours."""

    data: np.ndarray
    window: tuple[float, float] = (0.0, 1.0)
    unit: str = ""
    title: str = ""
    cmap: str = "gray"
    outline: np.ndarray | None = None
    labels: np.ndarray | None = None


class Head:
    """The files of one scan, cut to the axial slice with the most voxels of the nuclei."""

    def __init__(self, run: Path, scan: str) -> None:
        self.work = run / "work" / scan / scan
        self.maps = run / "derivatives/qnet" / scan / "anat" / scan
        self.truth = run / "rawdata/derivatives/ground-truth" / scan / "anat" / scan
        nuclei, brain = (
            self._canonical(f"{self.maps}_desc-nuclei_dseg"),
            self._canonical(f"{self.maps}_desc-brain_mask"),
        )
        self.slice = int(np.argmax((nuclei > 0).sum(axis=(0, 1))))
        inside = [np.nonzero(brain.any(axis=tuple({0, 1, 2} - {axis})))[0] for axis in range(3)]
        self.box = [(max(found[0] - MARGIN, 0), found[-1] + MARGIN + 1) for found in inside]
        self.box[2] = (0, brain.shape[2])

    def _canonical(self, stem: str, echo: int | None = None) -> np.ndarray:
        path = next(path for path in (Path(f"{stem}.nii.gz"), Path(f"{stem}.nii")) if path.exists())
        volume: Volume = read_volume(path)
        return canonical(volume.data if echo is None else volume.data[..., echo], volume.affine)[0]

    def axial(self, stem: str, echo: int | None = None) -> np.ndarray:
        """The slice of one file; `stem` is a path without its extension."""
        return section(self._canonical(stem, echo), "axial", self.slice, self.box)

    def of_work(self, name: str, echo: int | None = None) -> np.ndarray:
        return self.axial(f"{self.work}_{name}", echo)

    def of_maps(self, name: str) -> np.ndarray:
        return self.axial(f"{self.maps}_{name}")

    @property
    def brain(self) -> np.ndarray:
        return self.of_maps("desc-brain_mask") > 0.5

    @property
    def kept(self) -> np.ndarray:
        """Where the susceptibility is known."""
        return self.of_work("desc-eroded_mask") > 0.5


def show(ax: Axes, shown: Shown, bar: bool = True, letters: bool = True, size: float = 9) -> None:
    """Draw one map with its colour bar, its sides and its title."""
    picture = ax.imshow(shown.data, cmap=shown.cmap, vmin=shown.window[0], vmax=shown.window[1], origin="lower")
    if shown.outline is not None:
        ax.contour(shown.outline, [0.5], colors="#ffd400", linewidths=1.2)
    if shown.labels is not None:
        coloured = np.ma.masked_where(shown.labels == 0, (shown.labels.astype(int) - 1) % REGION_COLOURS.N)
        ax.imshow(coloured, cmap=REGION_COLOURS, vmin=0, vmax=REGION_COLOURS.N - 1, origin="lower", alpha=0.75)
    if letters:
        for letter, place in (("R", 0.05), ("L", 0.95)):
            ax.text(place, 0.5, letter, transform=ax.transAxes, ha="center", va="center", **MARK)
    ax.set_title(shown.title, fontsize=size)
    ax.set_axis_off()
    if bar and shown.unit:
        scale = ax.figure.colorbar(picture, ax=ax, fraction=0.045, pad=0.02)
        scale.set_label(shown.unit, fontsize=size - 1)
        scale.ax.tick_params(labelsize=size - 2)


def strip(panels: Sequence[Shown], path: Path, signs: str) -> None:
    """A row of maps, from what goes in to what comes out, with a sign before each but the first."""
    figure = Figure(figsize=(2.75 * len(panels), 3.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        show(ax, panel)
        if index:
            ax.text(
                -0.07, 0.5, signs[index - 1], transform=ax.transAxes, fontsize=15, color=BLUE, ha="center", va="center"
            )
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a small PNG, labelled as synthetic."""
    figure.supxlabel(LABEL, fontsize=7, color=GREY)
    write(figure, path)


def write(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Write a PNG with a palette."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor="white")
    Image.open(stream).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def brightness(data: np.ndarray) -> tuple[float, float]:
    """From black to the brightest hundredth."""
    return 0.0, float(np.percentile(data, 99.5))


def evenly(data: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Limits on both sides of zero that hold 98 % of a map."""
    most = float(np.percentile(np.abs(data[mask]), 98))
    return -most, most


def shown_maps(head: Head, last: int) -> dict[str, Shown]:
    """Every map of the chain by name; `last` is the index of the last echo."""
    brain, kept = head.brain, head.kept
    magnitude, late = head.of_work("part-mag_MEGRE", 1), head.of_work("part-mag_MEGRE", last)
    wrapped = head.of_work("part-phase_MEGRE", last)
    unwrapped = head.of_work("part-phase_desc-unwrapped_MEGRE", last) * brain
    total, local = head.of_work("desc-total_fieldmap", last) * brain, head.of_work("desc-local_fieldmap", last) * kept
    reliable = head.of_work("desc-reliable_mask") > 0.5
    t1w, nuclei = head.of_maps("desc-stage_T1w"), head.of_maps("desc-nuclei_dseg")
    chi = Shown(head.of_maps("Chimap") * kept, (-0.15, 0.15), "ppm", "susceptibility χ")
    return {
        "magnitude": Shown(magnitude, brightness(magnitude), "a.u.", "magnitude, echo 2"),
        "late": Shown(late, brightness(magnitude), "a.u.", f"magnitude, echo {last + 1}"),
        "phase": Shown(wrapped, (-np.pi, np.pi), "rad", f"phase, echo {last + 1}", "twilight"),
        "mask": Shown(magnitude, brightness(magnitude), "a.u.", "brain mask", outline=brain),
        "trimmed": Shown(magnitude, brightness(magnitude), "a.u.", "after the trim by phase", outline=reliable),
        "unwrapped": Shown(unwrapped, evenly(unwrapped, brain), "rad", "unwrapped phase"),
        "total": Shown(total, evenly(total, brain), "ppm", "total field"),
        "local": Shown(local, (-0.06, 0.06), "ppm", "local field"),
        "echo": Shown(head.of_maps("desc-echo3_Chimap") * kept, (-0.15, 0.15), "ppm", "χ of echo 3"),
        "chi": chi,
        "r2star": Shown(head.of_maps("R2starmap") * brain, (0, 60), "1/s", "R2*"),
        "misfit": Shown(head.of_maps("desc-misfit_R2starmap") * brain, (0, 3), "1", "misfit of R2*"),
        "t1w": Shown(t1w, brightness(t1w), "a.u.", "T1-weighted"),
        "nuclei": chi._replace(labels=nuclei, title="nuclei"),
        "box": chi._replace(outline=head.of_maps("label-BG_mask") > 0.5, title="box of the networks"),
    }


def stage_figures(maps: dict[str, Shown], out: Path) -> None:
    """One row a stage: input, output."""
    rows = {
        "stage-echoes": ("··", "magnitude", "late", "phase"),
        "stage-mask": ("→", "magnitude", "mask"),
        "stage-unwrap": ("→·", "phase", "unwrapped", "trimmed"),
        "stage-field": ("→", "unwrapped", "total"),
        "stage-background": ("→", "total", "local"),
        "stage-inversion": ("→", "local", "echo"),
        "stage-combine": ("→", "echo", "chi"),
        "stage-relaxation": ("·→·", "magnitude", "late", "r2star", "misfit"),
        "stage-t1w": ("·→", "magnitude", "r2star", "t1w"),
        "stage-nuclei": ("→·", "chi", "nuclei", "box"),
    }
    for name, (signs, *panels) in rows.items():
        strip([maps[panel] for panel in panels], out / f"{name}.png", signs.replace("·", " "))


def outputs_figure(maps: dict[str, Shown], path: Path) -> None:
    """Every image of the derivatives under the end of its name."""
    named = {
        "Chimap": "chi", "desc-echo3_Chimap": "echo", "R2starmap": "r2star", "desc-misfit_R2starmap": "misfit",
        "desc-stage_T1w": "t1w", "desc-brain_mask": "mask", "desc-nuclei_dseg": "nuclei", "label-BG_mask": "box",
    }  # fmt: skip
    figure = Figure(figsize=(9.6, 5.3), layout="constrained")
    for ax, (name, which) in zip(figure.subplots(2, 4).flat, named.items(), strict=True):
        show(ax, maps[which]._replace(title=name))
    save(figure, path)


def result_figure(head: Head, consensus: Path, scan: str, path: Path) -> None:
    """Susceptibility by both arms beside the truth, and R2*."""
    window, other = (-0.15, 0.15), str(consensus / "derivatives/qnet" / scan / "anat" / f"{scan}_Chimap")
    panels = [
        Shown(head.axial(f"{head.truth}_Chimap") * head.brain, window, "ppm", "true χ"),
        Shown(head.of_maps("Chimap"), window, "ppm", "χ, pipeline: paper"),
        Shown(head.axial(other), window, "ppm", "χ, pipeline: consensus"),
        Shown(head.of_maps("R2starmap"), (0, 60), "1/s", "R2*"),
    ]
    strip(panels, path, "   ")


def page_figure(page: Path, height: int, path: Path) -> None:
    """The top of a page of the results, as Chromium shows it; nothing where the page or Chromium is missing."""
    browser = shutil.which("chromium")
    if not (browser and page.exists()):
        return
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size=1100,{height}"]
        subprocess.run([browser, *options, f"--screenshot={shot}", page.resolve().as_uri()], check=True)
        image = Image.open(shot).convert("RGB")
    small = image.resize((PAGE_PIXELS, image.height * PAGE_PIXELS // image.width), Image.Resampling.LANCZOS)
    small.quantize(PAGE_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


# the pipeline

BOXES = (
    ("echoes", "phase", "magnitude and\nphase of each echo"),
    ("brain mask", "mask", "BET"),
    ("unwrapping", "unwrapped", "most reliable\nedges first"),
    ("field", "total", "phase → ppm"),
    ("background", "local", "SHARP or\nboundary values"),
    ("inversion", "chi", "TKD or\ntotal variation"),
)
LEARNING = (
    ("slices", "χ, R2*, T1w of the\nbasal ganglia"),
    ("stage 1", "ResNet18 with\nweight averaging"),
    ("stage 2", "Bi-LSTM over the\nslices of a scan"),
    ("statistics", "tables, ROC, DeLong,\ncalibration, baselines"),
    ("report", "one page a study,\none a scan"),
)
WIDTH, HEIGHT = 11.0, 4.6  # inches, also the units of the drawing


def pipeline_figure(maps: dict[str, Shown], path: Path) -> None:
    """From raw echoes to the report: boxes with what each stage makes."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.set_axis_off()
    step, side = WIDTH / len(BOXES), 1.55
    for index, (title, which, about) in enumerate(BOXES):
        _stage(figure, ax, index * step + (step - side) / 2, 2.25, side, title, maps[which], about)
        if index:
            _arrow(ax, (index * step - 0.13, 3.25), (index * step + 0.13, 3.25))
    ax.text(0.14, HEIGHT - 0.1, "recon", fontsize=11, color=BLUE, weight="bold", va="top")
    _side_maps(figure, ax, maps)
    for index, (title, about) in enumerate(LEARNING):
        left = 3.42 + index * 1.52
        ax.add_patch(FancyBboxPatch((left, 0.5), 1.3, 1.1, boxstyle="round,pad=0.04", fc="#eef5fb", ec=BLUE, lw=1))
        ax.text(left + 0.65, 1.38, title, ha="center", va="center", fontsize=9, weight="bold")
        ax.text(left + 0.65, 0.9, about, ha="center", va="center", fontsize=6.8)
        _arrow(ax, (left - 0.19, 1.05), (left - 0.03, 1.05))
    ax.text(3.42, 1.78, "qnet", fontsize=11, color=BLUE, weight="bold")
    figure.text(0.5, 0.012, LABEL, ha="center", fontsize=7, color=GREY)
    write(figure, path, dpi=120)


def _stage(
    figure: Figure, ax: Axes, left: float, low: float, side: float, title: str, shown: Shown, about: str
) -> None:
    """A box with a title, a small map with its colour bar, and a line of text."""
    ax.add_patch(FancyBboxPatch((left, low), side, 2.0, boxstyle="round,pad=0.04", fc="white", ec=BLUE, lw=1))
    ax.text(left + side / 2, low + 1.9, title, ha="center", va="center", fontsize=9, weight="bold")
    _small(figure, (left + 0.03, low + 0.42, side - 0.03, 1.36), shown)
    ax.text(left + side / 2, low + 0.19, about, ha="center", va="center", fontsize=6.8)


def _side_maps(figure: Figure, ax: Axes, maps: dict[str, Shown]) -> None:
    """R2* and T1-weighted images, which come from the magnitudes; the maps that the networks get."""
    for index, (which, title) in enumerate((("chi", "χ"), ("r2star", "R2*"), ("t1w", "T1w"))):
        _small(figure, (0.12 + index * 1.05, 0.42, 1.0, 1.3), maps[which])
        ax.text(0.5 + index * 1.05, 1.85, title, ha="center", va="center", fontsize=9, weight="bold")


def _small(figure: Figure, place: tuple[float, float, float, float], shown: Shown) -> None:
    """A map in a place given in inches, with a colour bar."""
    left, low, width, height = place
    inner = figure.add_axes((left / WIDTH, low / HEIGHT, (width - 0.42) / WIDTH, height / HEIGHT))
    show(inner, shown._replace(title=""), bar=False)
    bar = figure.add_axes(((left + width - 0.39) / WIDTH, (low + 0.2) / HEIGHT, 0.05 / WIDTH, (height - 0.4) / HEIGHT))
    scale = figure.colorbar(inner.images[0], cax=bar, ticks=np.linspace(*shown.window, 3))
    scale.ax.tick_params(labelsize=5, length=1.5, pad=1)
    known = shown.unit != "a.u."
    scale.ax.set_yticklabels([f"{tick:.2g}" if known else "" for tick in np.linspace(*shown.window, 3)])
    scale.ax.set_title(shown.unit, fontsize=5.5, pad=5, loc="left")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color=BLUE, lw=1.2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw every picture from one or two finished runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("results/simulated"))
    parser.add_argument("--consensus", type=Path, default=Path("results/simulated-consensus"))
    parser.add_argument("--scan", default="sub-03")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args(arguments)
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    head = Head(options.run, options.scan)
    maps = shown_maps(head, last=5)
    pipeline_figure(maps, options.out / "pipeline.png")
    stage_figures(maps, options.out)
    outputs_figure(maps, options.out / "outputs.png")
    page_figure(options.run / f"{options.scan}.html", 1500, options.out / "page-subject.png")
    page_figure(options.run / "report.html", 1700, options.out / "page-report.png")
    if options.consensus.is_dir():
        result_figure(head, options.consensus, options.scan, options.out / "result.png")


if __name__ == "__main__":
    main()
