"""What the jobs of a run work on, and how long they take from the shipped costs."""

from collections.abc import Mapping
from math import prod

from workflow.lib.jobs.resources import SIMULATED_MM3, voxels_of
from workflow.lib.planning.costs import Size, read_costs
from workflow.lib.run import Run
from workflow.lib.study.simulated import voxel_size_mm


def size_of(wildcards: Mapping[str, str], run: Run) -> Size:
    """What a job works on, from its wildcards."""
    cfg = run.runs[wildcards.get("variant", "")]
    scan = run.scans.get(wildcards.get("scan"), run.first_scan)
    simulated = run.simulated and SIMULATED_MM3 / prod(voxel_size_mm(run.cfg["simulate"], scan.name))
    voxels = simulated or voxels_of(scan.series.files[0])
    return Size(
        voxels=voxels / 1e6,
        echoes=len(scan.series.te_s),
        flips=2 if scan.low_flip else 1,
        together=cfg["field_mapping"]["echoes"] == "together",
        scans=len(run.diagnosed),
        slices=cfg["slice_stack"]["slices"],
        side=cfg["slice_stack"]["image_size"],
        folds=cfg["folds"]["folds"],
        trainings=cfg["folds"]["folds"] * len(cfg["runs"]["inputs"]) * len(cfg["runs"]["seeds"]),
        batch=cfg["train_image_model"]["batch_size"],
        image_epochs=cfg["train_image_model"]["epochs"],
        scan_epochs=cfg["train_scan_model"]["epochs"],
        pretrain_epochs=cfg["pretrain"]["epochs"],
        permutations=cfg["group_maps"]["permutations"],
    )


def expected_seconds(run: Run) -> dict[str, float]:
    """Seconds of a job by rule for what a run is like in general."""
    costs, size = read_costs(), size_of({}, run)
    lines = {rule: costs.line(rule, size.together) for rule, _, _ in costs.lines}
    return {rule: line.at(size) for rule, line in lines.items() if line}
