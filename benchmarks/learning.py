"""Cross-validation on simulated cohorts: `python -m benchmarks.learning COHORTS OUT --name best --overlay FILE`.

COHORTS is what `python -m benchmarks.cohorts` wrote. Every stage is the script of the workflow, called in one process a
fold, so that a run of Snakemake with the same settings and maps gives the same predictions.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from benchmarks.cohorts import settings
from qnet.evaluation.manifest import tables_of
from qnet.harmonise import COMBAT, harmonises_windows
from qnet.networks.heads.registry import reads_located
from qnet.networks.weights import named_file
from recon.files.io import read_volume, write_mask
from recon.regions.localize import LocateNuclei, box_around, box_mask
from workflow.lib.jobs.given import Fold

ROOT = Path(__file__).resolve().parents[1]
FEATURES = ("chi", "r2star", "t1w", "dseg", "box", "stats")


def script(name: str):
    """`main` of the script of a rule."""
    return import_module(f"workflow.scripts.{name}").main


def look(scan: str, maps: Path, out: Path, config: dict) -> None:
    """Maps of one scan → its stack and features in `out`, unless they are there."""
    place = {
        name: str(maps / f"{scan}_{name}{end}")
        for end, names in {".nii.gz": ("chi", "r2star", "t1w", "dseg", "mask"), ".tsv": ("stats",)}.items()
        for name in names
    }
    stack, features = out / f"{scan}_stack.npz", out / f"{scan}_features.tsv"
    if stack.exists() and features.exists():
        return
    params, labels = LocateNuclei(**config["locate_nuclei"]), read_volume(place["dseg"])
    region = box_around(labels.data, params.box_holds, params.margin_mm, labels.voxel_size_mm)
    place["box"] = str(out / f"{scan}_box.nii.gz")
    write_mask(place["box"], box_mask(labels.data.shape, region), labels, {})
    script("region_features")(
        **{name: place[name] for name in FEATURES}, features=str(features), cfg=config["region_features"]
    )
    script("slice_stack")(
        **{name: place[name] for name in ("chi", "r2star", "t1w", "box", "mask")}, nuclei=place["dseg"],
        magnitude=str(maps / f"{scan}_first_echo.nii.gz"), stack=str(stack), cfg=config["slice_stack"],
    )  # fmt: skip


def train_fold(job: tuple[str, int, int], config: dict, stacks: list[str], stats: list[str], out: Path) -> None:
    """Both stages and the predictions of one input, seed and fold, unless they are there."""
    input_name, seed, number = job
    place = fold_folder(out, *job)
    place.mkdir(parents=True, exist_ok=True)
    if (place / "predictions.tsv").exists():
        return

    def at(name: str) -> str:
        return str(place / name)

    folds, given = str(out / "folds.tsv"), Fold(input_name=input_name, seed=seed, number=number, threads=1)
    weights, averaged = at("image_model.safetensors"), at("image_model_swa.safetensors")
    stage = {
        "normalise": config["normalise"], "training": config["train_image_model"], "labels": config["runs"]["labels"],
        "inner_folds": config["train_scan_model"]["inner_folds"],
        "combat": config["combat"] if harmonises_windows(config) else None,
    }  # fmt: skip
    features = [path.replace("_stack.npz", "_features.tsv") for path in stacks]
    train = partial(script("train_image_model"), folds, stacks, cfg=stage, features=features)
    train(weights, averaged, at("image_training.jsonl"), given)
    inner = []
    if config["train_scan_model"]["features"] == "out_of_fold":
        for within in range(config["train_scan_model"]["inner_folds"]):
            inner.append(at(f"inner_{within}.safetensors"))
            train(at("inner_last.safetensors"), inner[-1], at("inner.jsonl"), replace(given, inner=within))
    embeddings = at("embeddings.safetensors")
    regional = {"stats": stats if reads_located(config["train_scan_model"]) else []}
    script("embed_slices")(folds, stacks, averaged, inner, embeddings, given, config["train_scan_model"])
    script("train_scan_model")(
        folds, embeddings, at("scan_model.safetensors"), at("scan_training.jsonl"), given,
        cfg={"training": config["train_scan_model"], "labels": config["runs"]["labels"]},
        encoder=str(named_file(config["train_image_model"]["weights"])), swa_weights=averaged, **regional,
    )  # fmt: skip
    script("predict_fold")(
        folds, stacks, weights, averaged, embeddings, at("scan_model.safetensors"), at("predictions.tsv"),
        at("slice_weights.tsv"), given, **regional,
    )  # fmt: skip


def fold_folder(out: Path, input_name: str, seed: int, fold: int) -> Path:
    """Where a run keeps a fold."""
    return out / input_name / f"seed-{seed}" / f"fold-{fold}"


def study(cohort: Path, arm: str, config: dict, out: Path, jobs: int) -> None:
    """Stacks, folds, training, baselines and all tables of one cohort and one set of settings."""
    people = pd.read_csv(cohort / "participants.tsv", sep="\t")
    scans = people["participant_id"].tolist()
    seen = out / "stacks"
    seen.mkdir(parents=True, exist_ok=True)
    runs = [
        (input_name, seed, fold)
        for input_name in config["runs"]["inputs"]
        for seed in config["runs"]["seeds"]
        for fold in range(config["folds"]["folds"])
    ]
    cfg = {"folds": config["folds"], "participants": config["participants"], "subjects": scans}
    script("folds")(str(cohort / "participants.tsv"), str(out / "folds.tsv"), cfg)
    stats = [str(cohort / arm / f"{scan}_stats.tsv") for scan in scans]
    stacks, features = ([str(seen / f"{scan}_{end}") for scan in scans] for end in ("stack.npz", "features.tsv"))
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(partial(look, maps=cohort / arm, out=seen, config=config), scans))
        list(pool.map(partial(train_fold, config=config, stacks=stacks, stats=stats, out=out), runs))
    script("baselines")(
        str(out / "folds.tsv"), features, stacks,
        [str(fold_folder(out, *run) / "embeddings.safetensors") for run in runs],
        str(out / "baselines.tsv"), str(out / "permutation.tsv"), str(out / "harmonisation.tsv"), runs=runs,
        cfg=config["baselines"], combat=config["combat"] if config["harmonisation"] == COMBAT else None,
    )  # fmt: skip
    tables = tables_of("evaluate")
    script("evaluate")(
        [str(fold_folder(out, *run) / "predictions.tsv") for run in runs], str(out / "predictions.tsv"),
        config["evaluate"], baselines=[str(out / "baselines.tsv")], folds=str(out / "folds.tsv"),
        ceiling=str(cohort / "ceiling.json"), **{name: str(out / f"{name}.tsv") for name in tables},
    )  # fmt: skip
    (out / "settings.json").write_text(json.dumps(config, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """One folder a run and cohort: OUT/RUN/COHORT/table3.tsv …"""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__)
    parser.add_argument("cohorts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", required=True, help="of the run")
    parser.add_argument("--overlay", nargs="*", default=[], help="YAML files or key.key=value")
    parser.add_argument("--cohort", nargs="*", help="folders below COHORTS; all by default")
    parser.add_argument("--arm", default="paper")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args(arguments)
    names = chosen.cohort or sorted(path.name for path in chosen.cohorts.iterdir() if (path / chosen.arm).is_dir())
    for name in names:
        out = chosen.out / chosen.name / name
        study(chosen.cohorts / name, chosen.arm, settings(chosen.overlay), out, chosen.jobs)
        print(f"{chosen.name}, {name}\n{pd.read_csv(out / 'table3.tsv', sep=chr(9)).to_string()}", flush=True)


if __name__ == "__main__":
    main()
