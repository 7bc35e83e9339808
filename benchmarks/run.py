"""Run all rows of one size."""

import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy import composed, isolated, mask_scores
from benchmarks.heads import ECHO_FOR_MASK, SIZES, Head, prepare, simulate
from benchmarks.measure import measure
from benchmarks.peers import PeerFailed, brainextractor
from benchmarks.picture import chi_picture
from benchmarks.stages import BET_THRESHOLDS, CHAIN_WORKERS, fft_pair, load, random_box, stages

FFT_REPEATS = 5  # the unit of the ratios must not be a cold start

Rows = list[dict]


class Record(NamedTuple):
    """Rows of the three tables."""

    sizes: Rows
    costs: Rows
    accuracies: Rows


def run_size(name: str, config: dict, arms: dict[str, dict], repeats: int, peers: bool, out: Path) -> Record:
    """Simulate a head and run every row on it; the picture of its maps goes to `out`."""
    with tempfile.TemporaryDirectory() as folder:
        head = prepare(simulate(Path(folder), SIZES[name], config), arms, config["simulate"]["snr"])
        record = Record([describe(name, head)], [], [])
        maps = run_stages(name, head, arms, repeats, record)
        if peers:
            run_peers(name, head, record)
        for label, arm in arms.items():
            for stage, method, scores in composed(head, label, arm, CHAIN_WORKERS):
                record.accuracies.extend(long(names_of(name, stage, method, f"composed, {label}"), scores))
        chi_picture(out / f"chi-{name}.png", head, maps)
    return record


def describe(name: str, head: Head) -> dict:
    """What a size means: voxels, matrix, and the transforms that all ratios refer to."""
    grid, brain = head.fft_grid, head["brain"]
    pair, _ = measure(partial(random_box, grid), fft_pair, FFT_REPEATS)
    return {
        "size": name,
        "voxel_mm": "x".join(f"{v:g}" for v in SIZES[name].voxel_size_mm),
        "matrix": "x".join(map(str, brain.shape)),
        "echoes": len(head.acquisition.te_s),
        "million_voxels": brain.size / 1e6,
        "million_brain_voxels": np.count_nonzero(brain) / 1e6,
        "fft_grid": "x".join(map(str, grid)),
        "fft_pair_s": pair.cpu_s,
    }


def run_stages(name: str, head: Head, arms: dict[str, dict], repeats: int, record: Record) -> dict:
    """Measure and score every row; the maps of the chains come back."""
    maps = {}
    for row in stages(arms):
        print(f"{name}: {row.stage}, {row.method}, input {row.source}", flush=True)
        cost, result = measure(partial(load, head, row.inputs), row.call, repeats)
        names = names_of(name, row.stage, row.method, row.source)
        record.costs.append(names | cost._asdict() | {"fft_pairs": row.pairs, "peer": row.peer})
        record.accuracies.extend(long(names, isolated(head, row.stage, arms)(result)))
        if row.stage == "chain":
            maps[row.method] = result
    return maps


def run_peers(name: str, head: Head, record: Record) -> None:
    """brainextractor, or a note in place of its cost and scores."""
    image = head["magnitude"][..., ECHO_FOR_MASK]
    for threshold in BET_THRESHOLDS:
        names = names_of(name, "brain_mask", f"brainextractor {threshold}", "true")
        print(f"{name}: brain_mask, {names['method']}", flush=True)
        try:
            cost, mask = brainextractor(image, head.acquisition.voxel_size_mm, threshold)
        except PeerFailed as failure:
            record.costs.append(names | {"note": str(failure)})
            continue
        record.costs.append(names | cost._asdict())
        record.accuracies.extend(long(names, mask_scores(mask, head["brain"])))


def names_of(size: str, stage: str, method: str, source: str) -> dict:
    """The first columns of a row."""
    return {"size": size, "stage": stage, "method": method, "input": source}


def long(names: dict, scores: dict[str, float]) -> Rows:
    """One row a metric."""
    return [names | {"metric": metric, "value": value} for metric, value in scores.items()]
