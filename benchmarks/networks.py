"""Networks of `train_image_model.network` side by side: what they cost, and a cohort to score them on in minutes.

    python -m benchmarks.networks cost [--out FOLDER]               # networks.tsv: size, operations, time, memory
    python -m benchmarks.networks maps COHORTS [--subjects N] [--seed S]

`maps` writes a simulated cohort of preset `paper` for `benchmarks.learning COHORTS RUNS --arm truth`. SYNTHETIC DATA:
its maps are the true ones with white noise of the size that maps of the demo have, its labels of nuclei the true ones.
It leaves out what a reconstruction does to the maps, which all methods then read alike, and is no substitute for
`benchmarks.cohorts`.
"""

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cohorts import settings
from benchmarks.learning import ROOT, script
from benchmarks.measure import peak_mb
from qnet.images.augment import crop_size
from qnet.networks.model import prepare_torch
from qnet.networks.names import NETWORKS, convolves_two_planes, sees_scans
from qnet.networks.precision import autocast
from qnet.networks.train import Augmentation, image_loss
from qnet.networks.volumes import new_network
from recon.files.io import Volume, write_mask, write_volume
from recon.files.tables import write_table
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, Subject, cohort
from recon.regions.localize import region_statistics
from workflow.lib.study.simulated import scan_names

NOISE = {"chi": 0.0025, "r2star": 1.0, "t1w": 0.02}  # ppm, 1/s, of the mean: that of the demo's maps, config.yaml
STREAM = 7  # of a subject's random numbers
BATCH, ROUNDS = 8, 3
MEMORY = {"scan_ms": "asked_mb", "step_ms": "step_mb"}


def maps_of(person: Subject, cfg: Simulate) -> tuple[dict[str, np.ndarray], Volume]:
    """True χ [ppm], R2* [1/s] and T1-weighted signal with noise, brain and true labels of one subject."""
    head = anatomy(person, cfg.voxel_size_mm, cfg.b0_tilt_deg)
    flip = np.deg2rad(max(cfg.flip_angles_deg))
    decay = np.exp(-cfg.tr_s / np.maximum(head.t1_s, 0.1))
    t1w = head.pd * np.sin(flip) * (1 - decay) / (1 - np.cos(flip) * decay)
    maps = {"chi": head.chi_ppm - head.chi_ppm[head.brain].mean(), "r2star": head.r2star_hz}
    maps["t1w"] = t1w / t1w[head.brain].mean()
    rng = person.rng(STREAM)
    noisy = {
        name: np.where(head.brain, data + NOISE[name] * rng.standard_normal(data.shape), 0).astype(np.float32)
        for name, data in maps.items()
    }
    return noisy | {"mask": head.brain, "dseg": head.nuclei, "first_echo": t1w[..., None].astype(np.float32)}, head.grid


def write_maps(out: Path, config: dict) -> None:
    """Cohort, and maps of all subjects below `out`, as `benchmarks.cohorts` names them, the arm being `truth`."""
    (out / "truth").mkdir(parents=True, exist_ok=True)
    known = ("participants.tsv", "participants.json", "description.json", "README", "cohort.tsv", "ceiling.json")
    script("simulate_cohort")(*(str(out / name) for name in (*known, "truth.json", "ignore")), cfg=config["simulate"])
    cfg = Simulate(**config["simulate"])
    for scan, person in zip(scan_names(config["simulate"]), cohort(cfg), strict=True):
        maps, grid = maps_of(person, cfg)
        place = str(out / "truth" / scan)
        about = {"SkullStripped": True, "Registration": {"SubjectToMNI": np.eye(4).tolist()}}  # used by pictures alone
        for name in ("chi", "r2star", "t1w", "dseg", "first_echo"):
            write_volume(f"{place}_{name}.nii.gz", maps[name], grid, about)
        write_mask(f"{place}_mask.nii.gz", maps["mask"], grid, {"Type": "Brain"})
        measured = {"chi_ppm": maps["chi"], "r2star_hz": maps["r2star"]}
        nowhere = np.zeros(maps["mask"].shape, bool)
        write_table(f"{place}_stats.tsv", region_statistics(maps["dseg"], nowhere, measured, cfg.voxel_size_mm))


def cost(name: str, config: dict) -> dict:
    """Parameters of a network, operations and CPU seconds for a scan: one pass, and a step of the training.

    `asked_mb` and `step_mb` are what the peak memory of the process rises by, with a batch, so that each network needs
    a process of its own.
    """
    device = prepare_torch(1)
    section, slices = config["train_image_model"], config["slice_stack"]["slices"]
    side = crop_size(config["slice_stack"]["image_size"], Augmentation(**section["augmentation"]))
    shape = (BATCH, slices, 3, side, side) if sees_scans(name) else (BATCH * slices, 3, side, side)
    exact = convolves_two_planes(name, slices)
    images, context = torch.rand(shape), autocast("float32" if exact else section["precision"], device)
    labels, before_mb = torch.arange(len(images)) % 2, peak_mb()
    model = new_network(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.train()(images)  # in evaluation a transformer takes a way that is not counted

    def step() -> None:
        with context():
            loss = image_loss(model.train(), images, labels)[0]
        loss.backward()

    def ask() -> None:
        with torch.inference_mode():
            model.eval()(images)

    seconds, memory = {}, {}
    for what, run in {"scan_ms": ask, "step_ms": step}.items():
        spent = []
        for _ in range(ROUNDS + 1):
            start = time.process_time()
            run()
            spent.append(time.process_time() - start)
        seconds[what] = 1000 * min(spent[1:]) / BATCH
        memory[MEMORY[what]] = peak_mb() - before_mb
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    about = {"network": name, "parameters_m": millions, "gflop_scan": counter.get_total_flops() / BATCH / 1e9}
    return about | seconds | memory | {"training": "float32" if exact else section["precision"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write networks.tsv, or a cohort."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("cost")
    one.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    two = commands.add_parser("maps")
    two.add_argument("cohorts", type=Path)
    two.add_argument("--subjects", type=int, default=64)
    two.add_argument("--seed", type=int, default=11)
    chosen = parser.parse_args(arguments)
    if chosen.command == "cost":
        config = settings([])
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            table = pd.DataFrame(pool.map(partial(cost, config=config), NETWORKS))
        table.to_csv(chosen.out / "networks.tsv", sep="\t", index=False, float_format="%.4g")
        print(table.to_string(index=False))
        return
    changes = ["simulate.preset=paper", f"simulate.subjects={chosen.subjects}", f"simulate.seed={chosen.seed}"]
    write_maps(chosen.cohorts / f"paper-{chosen.seed}", settings(changes))


if __name__ == "__main__":
    main()
