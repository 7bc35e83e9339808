"""Dipole inversions side by side on heads that no training saw: `python -m benchmarks.inversions [--heads FOLDER] …`.

    python -m benchmarks.inversions [--heads FOLDER] [--only HEAD] [--method METHOD] [--input INPUT] [--out FOLDER]
    python -m benchmarks.inversions --cost paper         # inversions_cost.tsv: time and memory at a size of benchmarks

Every method inverts the same local fields of a head of `benchmarks.generators`, in its true brain: the true field with
the noise of a fit (`alone`), and those that the chains of both arms leave (`paper`, `consensus`), with the other
settings of the arm. `inversions.tsv` has a row a head, input, method and metric: scores over the whole brain, what is
dropped counting as zero, moments of lesions, CPU seconds, and `fallback`, 1 where a trained method gave the map of
`tv` for an echo or more; rows of an earlier table that are not measured again stay. `inversions-HEAD.png` shows the
worst slice of the consensus chains. SYNTHETIC DATA.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.__main__ import configuration
from benchmarks.generalisation import ROOT, noisy_local
from benchmarks.generators import HEADS, simulate, write
from benchmarks.generators.parts import DataMissing
from benchmarks.heads import SIZES, Head, prepare, read_head
from benchmarks.heads import simulate as simulate_cohort_head
from benchmarks.measure import measure
from benchmarks.picture import DPI, WINDOWS_PPM, draw_slice
from benchmarks.scores import Scores, centred, chi_scores, lesion_scores
from benchmarks.stages import inversion_stages, load
from recon.background import STAGE as LOCAL_FIELD
from recon.background import local_field
from recon.combine import combine_echoes
from recon.field import field_precision
from recon.field.stage import STAGE as FIELD_MAPPING
from recon.field.stage import field_mapping
from recon.files.io import read_json
from recon.inversion import STAGE as DIPOLE_INVERSION
from recon.inversion import dipole_inversion
from recon.inversion.learnt import FALLEN_BACK
from recon.mask import reliable_mask
from recon.maths.boxes import bounding_box
from recon.registry import taken
from recon.settings import arm, shipped
from recon.unwrap.stage import STAGE as UNWRAP_PHASE
from recon.unwrap.stage import unwrap_phase
from recon.unwrap.straighten import silenced, straightened

METHODS = ("tkd", "iterative_tkd", "tv", "unrolled", "deepqsm", "qsmnet")
INPUTS = ("alone", "paper", "consensus")
MEASURES = ("nrmse_percent", "xsim", "deep_grey_slope", "hfen_percent")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an inversion is given: field [ppm] (X, Y, Z) or (X, Y, Z, echo), where it is known, its precision."""

    field_ppm: np.ndarray
    known: np.ndarray
    precision: np.ndarray
    config: dict


def given(head: Head, name: str) -> Given:
    """An input of INPUTS."""
    brain, magnitude, facts = head["brain"], head["magnitude"], head.acquisition
    config = arm(shipped() | {"pipeline": "paper" if name == "paper" else "consensus"})
    if name == "alone":
        precision = field_precision(magnitude, brain, facts.te_s)
        return Given(field_ppm=noisy_local(head), known=brain, precision=precision, config=config)
    te_s, grid = np.asarray(facts.te_s), facts.grid
    trimming = taken(reliable_mask, config["unwrap_phase"])
    reliable = reliable_mask(head["phase"], magnitude, brain, te_s, grid, **trimming)
    phase_rad, singular = straightened(head["phase"], magnitude, reliable, te_s, grid.voxel_size_mm)
    unwrapping = UNWRAP_PHASE.chosen(config["unwrap_phase"])
    unwrapped_rad = unwrap_phase(phase_rad, reliable, te_s, magnitude=magnitude, **unwrapping)
    weighing = silenced(magnitude, singular)
    mapping = FIELD_MAPPING.chosen(config["field_mapping"])
    field_ppm = field_mapping(unwrapped_rad, weighing, reliable, facts, **mapping)
    removal = LOCAL_FIELD.chosen(config["local_field"])
    field_ppm, known = local_field(field_ppm, reliable, grid, magnitude=magnitude, **removal)
    precision = field_precision(weighing, reliable, te_s)
    return Given(field_ppm=field_ppm, known=known, precision=precision, config=config)


def inverted(head: Head, one: Given, method: str) -> tuple[np.ndarray, dict[str, float]]:
    """Map [ppm] of a method, averaged over echoes and referenced; CPU seconds, and whether it is that of `tv`."""
    chosen = DIPOLE_INVERSION.chosen(one.config["dipole_inversion"] | {"method": method})
    magnitude, facts = head["magnitude"], head.acquisition
    inputs = {"r2star_hz": head["r2star_hz"], "precision": one.precision, "magnitude": magnitude}
    start_s = time.process_time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        chi_ppm = dipole_inversion(one.field_ppm, one.known, facts.grid, **inputs, **chosen)
    cpu_s = time.process_time() - start_s
    fallback = any(FALLEN_BACK in str(warning.message) for warning in said)
    average = {**one.config["combine_echoes"], "reference": "whole_brain"}
    chi_ppm = combine_echoes(chi_ppm, magnitude, one.known, np.asarray(facts.te_s), None, **average)
    return chi_ppm, {"cpu_s": cpu_s, "fallback": float(fallback)}


def scored(head: Head, chi_ppm: np.ndarray, known: np.ndarray) -> Scores:
    """Scores of a map over the whole brain, and of its lesions."""
    truth, brain, lesions = head["chi_ppm"], head["brain"], head["lesions"]
    kept = known & brain
    whole, true = np.where(kept, centred(chi_ppm, kept), 0), centred(truth, brain)
    haemorrhages = lesion_scores(whole, true, lesions, brain, "haemorrhage")
    return chi_scores(chi_ppm, known, truth, brain, head["nuclei"], lesions) | haemorrhages


def rows_of(head: Head, inputs: Sequence[str], methods: Sequence[str], pictures: Path | None) -> Iterator[dict]:
    """Rows of a head; the picture of its consensus chain goes to a folder."""
    first = {"head": head.folder.name, "generator": read_json(head.folder / "facts.json")["generator"]}
    for name in inputs:
        one, maps = given(head, name), {}
        for method in methods:
            maps[method], about = inverted(head, one, method)
            for metric, value in (scored(head, maps[method], one.known) | about).items():
                yield first | {"input": name, "method": method, "metric": metric, "value": value}
        if pictures and name == "consensus":
            draw(pictures / f"inversions-{head.folder.name}.png", head, maps)


def draw(path: Path, head: Head, maps: dict[str, np.ndarray]) -> None:
    """The axial slice in which the mean squared error of all methods is largest: truth, maps, and errors below."""
    affine, brain = np.array(head.affine), head["brain"]
    truth = centred(head["chi_ppm"], brain)
    errors = {method: np.where(brain, chi_ppm - truth, 0) for method, chi_ppm in maps.items()}
    power = sum((error.astype(np.float64) ** 2).sum((0, 1)) for error in errors.values())
    z = int(np.argmax(np.where(brain.sum((0, 1)) > brain.sum((0, 1)).max() / 2, power, 0)))
    frame = [(s.start, s.stop) for s in bounding_box(brain)]
    figure = Figure(figsize=(2.2 * (1 + len(maps)), 5.4), dpi=DPI // 2 + 20, layout="constrained")
    axes = figure.subplots(2, 1 + len(maps))
    draw_slice(axes[0, 0], truth, affine, z, frame, WINDOWS_PPM["truth"])
    axes[0, 0].set_title("truth", fontsize=10)
    axes[1, 0].set_axis_off()
    for column, (method, chi_ppm) in enumerate(maps.items(), start=1):
        draw_slice(axes[0, column], chi_ppm, affine, z, frame, WINDOWS_PPM["χ"])
        draw_slice(axes[1, column], errors[method], affine, z, frame, WINDOWS_PPM["error"])
        axes[0, column].set_title(method, fontsize=10)
    axes[1, 1].set_title("error", fontsize=10)
    title = (
        f"SYNTHETIC DATA: {head.folder.name}, consensus chain with each inversion, worst slice; χ ±0.15, error ±0.1 ppm"
    )
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, metadata={"Software": None})


def renewed(before: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A table with the rows of an earlier one that were not measured again; heads, inputs and methods in order."""
    if before.empty:
        return table
    keys = ["head", "input", "method"]
    measured = pd.MultiIndex.from_frame(table[keys].drop_duplicates())
    both = pd.concat([before[~pd.MultiIndex.from_frame(before[keys]).isin(measured)], table])
    order = {"head": list(HEADS), "input": list(INPUTS), "method": list(METHODS)}
    return both.sort_values(keys, key=lambda column: column.map(order[str(column.name)].index), kind="stable")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Measures of each method by input and head."""
    shown = table[table["metric"].isin([*MEASURES, "cpu_s", "fallback"])]
    return shown.pivot_table(index=["input", "head", "method"], columns="metric", values="value", sort=False)


def costs(size: str, methods: Sequence[str], folder: Path) -> pd.DataFrame:
    """CPU seconds and peak memory [MB] of a process of its own, one thread, at 0.6 x 0.6 x 2 mm or another of SIZES."""
    config, arms = configuration()
    head = prepare(simulate_cohort_head(folder, SIZES[size], config), arms, config["simulate"]["snr"])
    rows = []
    for row in inversion_stages(arms["consensus"]["dipole_inversion"]):
        if row.method in methods and row.source == "true + noise":
            cost, _ = measure(partial(load, head, row.inputs), row.call, repeats=1)
            rows.append({"size": size, "method": row.method, "cpu_s": cost.cpu_s, "peak_mb": cost.peak_mb})
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make or read the heads, invert, write the table, print its summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inversions", description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of benchmarks.generators; without it they are made anew")
    parser.add_argument("--only", action="append", metavar="HEAD", choices=HEADS)
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--input", action="append", choices=INPUTS)
    parser.add_argument("--cost", choices=SIZES, help="measure time and memory at this size instead")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    path = chosen.out / "inversions.tsv"
    before = pd.read_csv(path, sep="\t") if path.is_file() else pd.DataFrame()
    with tempfile.TemporaryDirectory() as made:
        if chosen.cost:
            table = costs(chosen.cost, chosen.method or METHODS, Path(made))
            table.to_csv(chosen.out / "inversions_cost.tsv", sep="\t", index=False, float_format="%.4g")
            print(table.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
            return
        for name in chosen.only or HEADS:
            folder = (chosen.heads or Path(made)) / name
            if not chosen.heads:
                try:
                    write(folder, *simulate(name, coarse=True))
                except DataMissing as missing:
                    print(f"{name}: left out: {missing}")
                    continue
            pictures = chosen.out if chosen.pictures else None
            rows += rows_of(read_head(folder), chosen.input or INPUTS, chosen.method or METHODS, pictures)
            table = renewed(before, pd.DataFrame(rows))
            table.to_csv(path, sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    print(summary(pd.DataFrame(rows)).to_string(float_format=lambda x: f"{x:.3g}"))


if __name__ == "__main__":
    main()
