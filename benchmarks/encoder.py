"""What the shipped encoder measures in simulated cohorts: `python -m benchmarks.encoder COHORT …`.

A cohort is a folder that `benchmarks.cohorts` wrote, of a simulator that the encoder has not seen. Writes encoder.tsv:
for every nucleus and quantity correlation and slope of the measurement with the truth over all subjects, correlation
within sites, beside those of the mean over the located label.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.cohorts import settings
from benchmarks.learning import look
from qnet.baselines.feature_table import read_features
from qnet.images.data import read_stack
from qnet.networks.heads.measured import Measured
from qnet.networks.predict import embed, prepare
from qnet.networks.weights import named_file, read_image_model, read_weights

ROOT = Path(__file__).resolve().parents[1]
READERS = ("encoder", "regional mean")


def measured(stack: Path, weights: Path, config: Mapping) -> dict[str, float]:
    """`<nucleus>_chi_ppb`, `<nucleus>_r2star_hz` of a scan as the encoder tells them."""
    about = {"normalise": config["normalise"], "augmentation": config["train_image_model"]["augmentation"]}
    model, story = read_image_model(weights)
    reader = Measured.of_encoder(*read_weights(weights))
    embedded = embed(model, prepare(read_stack(stack, "crop")[0], about))
    told = reader.measure(torch.from_numpy(embedded)[None])[0].numpy()
    names = story["targets"][:-1]
    return dict(zip(names, told * np.array(story["sd"])[:-1] + np.array(story["mean"])[:-1], strict=True))


def regional(features: Path) -> dict[str, float]:
    """The same as means over the located labels."""
    values, about = read_features([features])
    means = about[(about["kind"] == "mean") & (about["side"] == "both") & (about["region"] != "box")]
    unit = {"chi": ("chi_ppb", 1000), "r2star": ("r2star_hz", 1)}
    return {
        f"{row['region']}_{unit[row['map']][0]}": float(values[name].iloc[0]) * unit[row["map"]][1]
        for name, row in means.iterrows()
        if row["map"] in unit
    }


def within(values: pd.Series, site: pd.Series) -> pd.Series:
    """Values less the mean of their site, without those that are missing."""
    return values - values.groupby(site).transform("mean")


def agreement(table: pd.DataFrame, reader: str, site: pd.Series) -> dict[str, float]:
    """Correlation and slope over all, and correlation within sites, of columns `reader` and `true`."""
    known = table[[reader, "true"]].dropna()
    x, y = known["true"], known[reader]
    a, b = (within(v, site.loc[known.index]) for v in (x, y))
    return {
        "r": float(np.corrcoef(x, y)[0, 1]),
        "slope": float(np.polyfit(x, y, 1)[0]),
        "r_within_sites": float(np.corrcoef(a, b)[0, 1]),
        "subjects": len(known),
    }


def cohort_values(folder: Path, arm: str, work: Path, config: dict, weights: Path) -> pd.DataFrame:
    """Rows of participant, site, name, true, encoder and regional mean."""
    people = pd.read_csv(folder / "cohort.tsv", sep="\t").set_index("participant_id")
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for scan, person in people.iterrows():
        if not (folder / arm / f"{scan}_stats.tsv").exists():
            continue
        look(scan, folder / arm, work, config)
        told = measured(work / f"{scan}_stack.npz", weights, config)
        means = regional(work / f"{scan}_features.tsv")
        site = person.get("site", "one")
        rows += [
            (folder.name, scan, site, name, person[name], value, means.get(name, np.nan))
            for name, value in told.items()
        ]
    return pd.DataFrame(rows, columns=["cohort", "participant_id", "site", "name", "true", *READERS])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all subjects of the cohorts, write and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__)
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="folder for stacks and features")
    parser.add_argument("--arm", default="paper")
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config = settings([str(ROOT / "config/best.yaml")])
    weights = named_file(chosen.weights)
    values = pd.concat(
        [cohort_values(path, chosen.arm, chosen.work / path.name, config, weights) for path in chosen.cohorts],
        ignore_index=True,
    )
    found = []
    for name, table in values.groupby("name", sort=False):
        for reader in READERS:
            found.append({"name": name, "reader": reader, **agreement(table, reader, table["site"])})
    result = pd.DataFrame(found)
    result.to_csv(chosen.out / "encoder.tsv", sep="\t", index=False, float_format="%.3f", na_rep="n/a")
    print(result.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    main()
