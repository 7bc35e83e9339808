"""What a job costs: seconds and disk as straight lines over the size of what it works on, `resources/costs.tsv`.

Each row of the table is a line, `fixed + per_unit x`, for one quantity of one rule. The driver `x` is what the
quantity grows with: voxels, voxels of all echoes, pixels that pass a network. `benchmarks/costs.py` fits it.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple

from workflow.lib.home import HOME

SECONDS = "cpu_s"
DISK = ("rawdata_mb", "work_mb", "derivatives_mb", "qnet_mb", "other_mb")
TABLE = HOME / "resources" / "costs.tsv"
STEP = 0.05  # million pixels that take as long as what every step costs whatever its batch: ResNet18 and Adam, CPU
FAR = 3.0  # times the largest measured size: the line is no longer a measurement
SEPARATE, TOGETHER, ANY = "separate", "together", "any"  # a field of every echo, one of all, or no matter


@dataclass(frozen=True)
class Size:
    """What a job works on.

    Parameters
    ----------
    voxels : of one echo [million]
    echoes, flips : of the scan
    together : one field is made from all echoes
    scans : that are diagnosed
    slices, side : of a stack; side [pixels]
    folds : of the cross-validation
    trainings : inputs x seeds x folds
    batch : slices of one step of the image models
    image_epochs, scan_epochs, pretrain_epochs : of the trainings
    permutations : of the subjects, in maps of the groups
    """

    voxels: float
    echoes: int
    flips: int = 1
    together: bool = False
    scans: int = 0
    slices: int = 0
    side: int = 0
    folds: int = 1
    trainings: int = 1
    batch: int = 1
    image_epochs: int = 0
    scan_epochs: int = 0
    pretrain_epochs: int = 0
    permutations: int = 0

    @property
    def stack(self) -> float:
        """Pixels of all slices [million]."""
        return self.scans * self.slices * self.side**2 / 1e6

    @property
    def learns(self) -> float:
        """Share of the scans that a fold learns from."""
        return 1 - 1 / self.folds

    @property
    def pass_of_training(self) -> float:
        """Work of one epoch over all scans, in pixels that pass a network [million]; steps count as pixels."""
        return self.stack + STEP * ceil(self.scans * self.slices / self.batch)


DRIVERS: dict[str, Callable[[Size], float]] = {
    "none": lambda size: 0.0,
    "voxels": lambda size: size.voxels,
    "samples": lambda size: size.voxels * size.echoes,
    "images": lambda size: size.voxels * size.echoes * size.flips,
    "cohort": lambda size: size.voxels * size.scans,
    "scans": lambda size: float(size.scans),
    "trainings": lambda size: float(size.scans * size.trainings),
    "stack": lambda size: size.stack,
    "tested": lambda size: size.stack / size.folds,
    "trained": lambda size: size.pass_of_training * size.learns * size.image_epochs,
    "pretrained": lambda size: size.pass_of_training * size.pretrain_epochs,
    "permutations": lambda size: size.permutations / 1000,
    "sequences": lambda size: size.scans * size.slices * size.learns * size.scan_epochs / 1000,
}

DRIVER_OF = {
    "simulate_subject": "images",
    "simulate_subject_in_other_parts": "images",
    "prepare_echoes": "samples",
    "brain_mask": "voxels",
    "unwrap_phase": "samples",
    "field_mapping": "samples",
    "local_field": "samples",
    "r2star_map": "samples",
    "dipole_inversion": "samples",
    "combine_echoes": "samples",
    "t1w_map": "voxels",
    "t1_map": "voxels",
    "swi_map": "voxels",
    "template_maps": "voxels",
    "locate_nuclei": "voxels",
    "scan_statistics": "samples",
    "study_table": "scans",
    "slice_stack": "voxels",
    "region_features": "voxels",
    "subject_page": "samples",
    "map_accuracy": "cohort",
    "train_image_model": "trained",
    "train_inner_model": "trained",
    "pretrain_encoder": "pretrained",
    "embed_slices": "stack",
    "train_scan_model": "sequences",
    "predict_fold": "tested",
    "class_activation": "stack",
    "baselines": "trainings",
    "evaluate": "trainings",
    "model_card": "scans",
    "report": "scans",
    "group_page": "scans",
    "group_maps": "permutations",
}  # of any other rule: voxels where it works on one scan, else the same whatever it works on
OF_ONE_FIELD = {"local_field": "voxels", "dipole_inversion": "voxels"}  # where it is made from all echoes
MAPS_OF_ONE_FIELD = {"field_mapping": "voxels", "combine_echoes": "voxels", **OF_ONE_FIELD}
WEIGHTS = dict.fromkeys(("train_image_model", "train_inner_model", "pretrain_encoder", "train_scan_model"), "none")
BY_ARM = frozenset(MAPS_OF_ONE_FIELD)
TRAINED = frozenset(("trained", "pretrained", "sequences"))  # drivers of rules that train networks
COLUMNS = ("rule", "arm", "quantity", "fixed", "per_unit", "driver", "low", "high")
LIKE = {
    "train_inner_model": "train_image_model",
    "pretrain_encoder": "train_image_model",
    "simulate_subject_in_other_parts": "simulate_subject",
}


def driver_of(rule: str, together: bool, quantity: str = SECONDS, of_scan: bool = False) -> str:
    """Name of the driver that a quantity of a rule grows with; `of_scan`: whether the rule works on one scan."""
    one_field, other = (OF_ONE_FIELD, {}) if quantity == SECONDS else (MAPS_OF_ONE_FIELD, WEIGHTS)
    usual = DRIVER_OF.get(rule, "voxels" if of_scan else "none")
    return (one_field if together else {}).get(rule) or other.get(rule) or usual


def arm_of(rule: str, together: bool) -> str:
    """Which lines of a rule are meant."""
    return (TOGETHER if together else SEPARATE) if rule in BY_ARM else ANY


class Line(NamedTuple):
    """Cost over a driver, measured between `low` and `high`."""

    fixed: float
    per_unit: float
    driver: str
    low: float
    high: float

    def at(self, size: Size) -> float:
        """The cost of a job of this size."""
        return self.fixed + self.per_unit * DRIVERS[self.driver](size)

    def far(self, size: Size) -> float:
        """How many times the largest measured size this is; 0 where the size does not matter."""
        return DRIVERS[self.driver](size) / self.high if self.per_unit and self.high else 0.0


class Costs(NamedTuple):
    """Lines by rule, arm and quantity, and what they were measured on."""

    lines: dict[tuple[str, str, str], Line]
    machine: str

    def line(self, rule: str, together: bool, quantity: str = SECONDS) -> Line | None:
        """The line of a rule, or of the rule that computes the same; None where neither was measured."""
        key = arm_of(rule, together), quantity
        own, like = self.lines.get((rule, *key)), self.lines.get((LIKE.get(rule, rule), *key))
        if own or not like:
            return own
        return like._replace(driver=driver_of(rule, together, quantity) if like.per_unit else "none")


def read_costs(path: Path = TABLE) -> Costs:
    """The shipped costs; comment lines of the file name the machine that they were measured on.

    Raises
    ------
    ValueError
        The table lacks a column or names a driver that does not exist.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    machine = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    table = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
    rows = list(table)
    if absent := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
        raise ValueError(f"{path}: expected columns {', '.join(COLUMNS)}, found no {', '.join(absent)}")
    if unknown := sorted({row["driver"] for row in rows} - set(DRIVERS)):
        raise ValueError(f"{path}: expected drivers {', '.join(DRIVERS)}, found {', '.join(unknown)}")
    return Costs({(row["rule"], row["arm"], row["quantity"]): _line(row) for row in rows}, machine)


def _line(row: dict[str, str]) -> Line:
    fixed, per_unit, low, high = (float(row[name]) for name in ("fixed", "per_unit", "low", "high"))
    return Line(fixed, per_unit, row["driver"], low, high)
