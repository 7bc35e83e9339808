"""Every stage alone and both arms on heads that disagree with each other: `python -m benchmarks.generalisation`.

    python -m benchmarks.generalisation [--heads FOLDER] [--fine] [--only HEAD] [--stage STAGE]
        [--variant NAME SECTION.KEY=VALUE …]

A variant changes settings of the consensus arm. `generalisation.tsv` has a row a head, stage, variant and metric.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.choose import leave_one_out, mean_ranks
from benchmarks.generators import HEADS, simulate, write
from benchmarks.generators.parts import DataMissing
from benchmarks.heads import ECHO_FOR_MASK, Head, read_head
from benchmarks.picture import head_picture
from benchmarks.scores import Scores, chi_scores, map_scores
from recon.background import STAGE as LOCAL_FIELD
from recon.background import local_field
from recon.field import field_precision
from recon.files.io import read_json
from recon.inversion import STAGE as DIPOLE_INVERSION
from recon.inversion import dipole_inversion
from recon.mask import extract_brain
from recon.pipeline import Maps, reconstruct
from recon.settings import arm, shipped

ROOT = Path(__file__).resolve().parents[1]
NOISE = 100  # stream of the random numbers of the field's noise
SHIPPED = "shipped"
STAGES = ("background alone", "background, no magnitude", "inversion alone", "chain, true mask", "chain, own mask")
VARIANTS = {
    SHIPPED: (),
    "no prior": ("dipole_inversion.tv_prior=none",),
    "lbv": ("local_field.method=lbv",),
    "lbv, no prior": ("dipole_inversion.tv_prior=none", "local_field.method=lbv"),
}


def varied(changes: Sequence[str]) -> dict:
    """The consensus arm with changes of the form ``section.key=value``.

    Raises
    ------
    ValueError
        For a section or key that the configuration does not have.
    """
    config = arm(shipped() | {"pipeline": "consensus"})
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.partition(".")
        if key not in config.get(section, {}):
            raise ValueError(f"--variant: expected SECTION.KEY=VALUE of config/config.yaml, found {change}")
        config = config | {section: config[section] | {key: yaml.safe_load(value)}}
    return config


def noisy_local(head: Head) -> np.ndarray:
    r"""The brain's own field with the noise that a fit to all echoes has, :math:`\sigma / \sqrt{\sum (|S| TE)^2}`."""
    facts, brain, magnitude = head.acquisition, head["brain"], head["magnitude"]
    te_s = np.asarray(facts.te_s, np.float32)
    # the first echo has lost little of what the signal-to-noise ratio refers to
    sigma = float(np.median(magnitude[..., 0][brain])) / read_json(head.folder / "facts.json")["snr"]
    slope_rad_s = sigma / np.maximum(np.sqrt(np.sum((magnitude * te_s) ** 2, -1)), 1e-9)
    noise_ppm = slope_rad_s * np.float32(facts.ppm_per_rad()[0] * te_s[0])
    noise_ppm = np.minimum(noise_ppm, 0.5) * np.random.default_rng(NOISE).standard_normal(brain.shape, np.float32)
    return np.where(brain, head["local_ppm"] + noise_ppm, 0)


def background_alone(head: Head, config: dict, *, shown: bool = True) -> Scores:
    """Background removal of the true total field in the true brain, with the magnitude shown to it or not."""
    chosen = LOCAL_FIELD.chosen(config["local_field"])
    brain, grid = head["brain"], head.acquisition.grid
    magnitude = head["magnitude"] if shown else None
    local, kept = local_field(head["total_ppm"], brain, grid, magnitude=magnitude, **chosen)
    return map_scores(local, kept, head["local_ppm"], brain)


def inversion_alone(head: Head, config: dict) -> Scores:
    """Inversion of the brain's true field with noise."""
    chosen = DIPOLE_INVERSION.chosen(config["dipole_inversion"])
    brain, magnitude, facts = head["brain"], head["magnitude"], head.acquisition
    inputs = {
        "r2star_hz": head["r2star_hz"],
        "precision": field_precision(magnitude, brain, facts.te_s),
        "magnitude": magnitude,
    }
    chi = dipole_inversion(noisy_local(head), brain, facts.grid, **inputs, **chosen)
    return chi_scores(chi, brain, head["chi_ppm"], brain, head["nuclei"], head["lesions"])


def chain(head: Head, config: dict, mask: np.ndarray) -> Maps:
    """From echoes to susceptibility."""
    return reconstruct(head["phase"], head["magnitude"], mask, head.acquisition, config)


def own_mask(head: Head, config: dict) -> np.ndarray:
    """The brain mask that an arm makes of the magnitude."""
    magnitude = head["magnitude"]
    echo = magnitude[..., min(ECHO_FOR_MASK, magnitude.shape[-1] - 1)]
    return extract_brain(echo, head.acquisition.grid, **config["brain_mask"] | {"tool": "builtin"}).mask


def whole_scores(head: Head, maps: Maps) -> Scores:
    """Scores of a chain's map over the true brain."""
    return chi_scores(maps.chi_ppm, maps.mask, head["chi_ppm"], head["brain"], head["nuclei"], head["lesions"])


def stages(head: Head, variants: dict[str, Sequence[str]]) -> Iterator[tuple[str, str, Callable[[], Scores | Maps]]]:
    """Stage, variant and call of all rows of a head; variants that share the settings of a stage share its call."""
    configs = {"paper": shipped() | {"pipeline": "paper"}} | {name: varied(made) for name, made in variants.items()}
    for stage, section, score in (
        ("background alone", "local_field", background_alone),
        ("background, no magnitude", "local_field", partial(background_alone, shown=False)),
        ("inversion alone", "dipole_inversion", inversion_alone),
    ):
        calls = {
            repr(sorted(config[section].items())): cache(partial(score, head, config)) for config in configs.values()
        }
        for name, config in configs.items():
            yield stage, name, calls[repr(sorted(config[section].items()))]
    for name, config in configs.items():
        yield "chain, true mask", name, partial(chain, head, config, head["brain"])
    for name in ("paper", SHIPPED):
        yield "chain, own mask", name, lambda config=configs[name]: chain(head, config, own_mask(head, config))


def rows_of(
    head: Head, variants: dict[str, Sequence[str]], only: Sequence[str], pictures: Path | None
) -> Iterator[dict]:
    """Rows of one head, one a metric, CPU seconds among them; the picture of its chain as shipped goes to a folder."""
    facts = read_json(head.folder / "facts.json")
    first = {"head": head.folder.name, "generator": facts["generator"], "size": "coarse" if facts["coarse"] else "fine"}
    for stage, variant, call in stages(head, variants):
        if only and stage not in only:
            continue
        start_s = time.process_time()
        result = call()
        cpu_s = time.process_time() - start_s
        scores = whole_scores(head, result) if isinstance(result, Maps) else result
        for metric, value in (scores | {"cpu_s": cpu_s}).items():
            yield first | {"stage": stage, "variant": variant, "metric": metric, "value": value}
        if pictures and (stage, variant) == ("chain, true mask", SHIPPED):
            title = f"SYNTHETIC DATA: {head.folder.name}, consensus arm as shipped, true mask, worst slice"
            head_picture(pictures / f"generalisation-{head.folder.name}.png", head, result, title)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make or read the heads, run all rows, write the tables, print the ranks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generalisation", description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of benchmarks.generators; without it they are made anew")
    parser.add_argument("--fine", action="store_true", help="heads of full resolution, where they are made anew")
    parser.add_argument("--only", action="append", metavar="HEAD")
    parser.add_argument("--stage", action="append", default=[], choices=STAGES, help="may be repeated; without it all")
    parser.add_argument("--variant", action="append", nargs="+", default=[], metavar=("NAME", "SECTION.KEY=VALUE"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    variants = VARIANTS | {name: tuple(changes) for name, *changes in chosen.variant}
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as made:
        for name in chosen.only or HEADS:
            folder = (chosen.heads or Path(made)) / name
            if not chosen.heads:
                try:
                    write(folder, *simulate(name, coarse=not chosen.fine))
                except DataMissing as missing:
                    print(f"{name}: left out: {missing}")
                    continue
            elif not folder.is_dir():
                print(f"{name}: left out: not in {chosen.heads}")
                continue
            print(name, flush=True)
            rows += rows_of(read_head(folder), variants, chosen.stage, chosen.out if chosen.pictures else None)
            write_tables(pd.DataFrame(rows), chosen.out)
    table = pd.DataFrame(rows)
    print(mean_ranks(table).to_string(float_format=lambda x: f"{x:.2f}"))
    print(leave_one_out(table).to_string(index=False, float_format=lambda x: f"{x:.3g}"))


def write_tables(rows: pd.DataFrame, out: Path) -> None:
    """The record, the mean ranks, and the choice for every generator made on the others."""
    tables = {"": rows, "_ranks": mean_ranks(rows).reset_index(), "_left_out": leave_one_out(rows)}
    for suffix, table in tables.items():
        table.to_csv(out / f"generalisation{suffix}.tsv", sep="\t", index=False, float_format="%.4g", na_rep="n/a")


if __name__ == "__main__":
    main()
