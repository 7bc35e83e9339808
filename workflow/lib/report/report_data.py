"""What the report shows: tables and figures by name, and the rows of a table as the page groups them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from qnet.evaluation.names import CONTROLS, NETWORKS

TABLES = (
    "table1", "table2", "table3", "paper_comparison", "contrasts", "calibration", "confounds", "ablation",
    "map_accuracy",
)  # fmt: skip
FIGURES = (
    "roc_scan", "roc_scan_inputs", "roc_image", "roc_image_inputs", "auc_boxplot", "reliability_curves",
    "decision_curves", "ablation_forest", "cohort", "participants_flow", "augmentation_samples",
)  # fmt: skip
EXPLANATIONS = {  # beginning of a file name → heading, caption, and what a table of that name holds
    "class_activation_template": (
        "Average over held-out subjects in template space",
        "Where the evidence for one group over the other lies on average, on the slices of the MNI152 template.",
        "",
    ),
    "class_activation": (
        "Class activation maps of single subjects",
        "Evidence for one group over the other (Zhou 2016) of the image model, on subjects that it never saw.",
        "Enrichment: share of the evidence inside the nuclei over their share of the area, 1 is chance. Beside the "
        "trained network one with random weights, and a map as coarse whose evidence comes from the nuclei alone.",
    ),
    "slice_importance": (
        "Weight of the slices",
        "How much the scan model listens to each slice of a scan, from the lowest to the highest.",
        "Weight of a slice against equal weights, by its height in the template.",
    ),
}
KINDS = (
    "Networks", "Networks, mean probability of the slices", "Baselines and other models",
    "Controls, expected at chance", "Limits",
)  # fmt: skip
COHORT_CHECKS = ("age alone", "sex alone", "age and sex, cross-validated", "background only")
RATES = ("accuracy", "sensitivity", "specificity", "f1", "auc")
AUC_FIGURES = {"1": "figure 6", "3": "figure 8"}  # where the paper prints the AUCs that its tables lack
SIGN = re.compile(r"\bsign\b")  # stands in every warning about the sign of the phase or of susceptibility

Rows = list[dict[str, object]]


def read_rows(path: str | Path) -> Rows:
    """The rows of a table; undefined cells (n/a) are NaN, every other text stays as it is."""
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["n/a", ""]).to_dict("records")


def read_tables(paths: Iterable[str]) -> dict[str, Rows]:
    """Tables by the name of their file; those that a run does not have are empty."""
    return {name: [] for name in TABLES} | {Path(path).stem: read_rows(path) for path in paths}


def by_name(figures: Iterable[str]) -> dict[str, str | None]:
    """Figures by the name of their file; None for those that a run does not have."""
    return dict.fromkeys(FIGURES) | {Path(path).stem: path for path in figures}


def known(value: object) -> bool:
    """Whether a cell holds a value."""
    return value is not None and value == value


def warnings_of(files: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Warnings about the maps: those about the sign, which turns every result over, and others."""
    pages = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    found = [{"scan": page["scan"], "text": warning} for page in pages for warning in page["warnings"]]
    sign = [warning for warning in found if SIGN.search(warning["text"])]
    return {"sign": sign, "other": [warning for warning in found if warning not in sign]}


def flow_of(study: dict | None, people: pd.DataFrame) -> dict:
    """The flow of participants; that of a simulated cohort, where nobody is left out, comes from its folds."""
    if study:
        return study
    groups = people["group"].value_counts().sort_index().to_dict()
    steps = [{"name": name, "counts": groups, "reasons": {}} for name in ("Simulated", "Diagnosed")]
    return {"groups": list(groups), "steps": steps}


def kind(row: dict) -> str:
    """To which part of table 3 a row belongs."""
    if not known(row.get("seeds")):
        return KINDS[4]
    if row["model"] in NETWORKS:
        return KINDS[0]
    if row["model"].removesuffix(" mean P") in NETWORKS:
        return KINDS[1]
    return KINDS[3] if row["model"] in CONTROLS else KINDS[2]


def by_kind(table3: Rows) -> dict[str, Rows]:
    """The rows of table 3 by kind, in the order of KINDS, without empty kinds."""
    parts = {name: [row for row in table3 if kind(row) == name] for name in KINDS}
    return {name: rows for name, rows in parts.items() if rows}


def primary_first(contrasts: Rows) -> tuple[Rows, Rows]:
    """The primary contrasts, and the others."""
    primary = [row for row in contrasts if row["role"] == "primary"]
    return primary, [row for row in contrasts if row["role"] != "primary"]


def flags(confounds: Rows) -> list[str]:
    """Every sentence of the confound table that warns."""
    return list(dict.fromkeys(row["flag"] for row in confounds if known(row["flag"])))


def confounds_shown(confounds: Rows, primary: Iterable[dict]) -> dict[str, Rows]:
    """The rows about the cohort, and those about the models of the primary contrast."""
    chosen = {(model["input"], model["model"]) for model in primary}
    cohort = [row for row in confounds if not known(row["model"]) or row["check"] in COHORT_CHECKS]
    models = [row for row in confounds if row not in cohort and (row.get("input"), row["model"]) in chosen]
    return {"cohort": cohort, "models": models}


def beside_paper(comparison: Rows) -> dict[str, list[dict]]:
    """Tables 1 and 3 with the paper's numbers beside ours, in the paper's units.

    Returns
    -------
    {"1": rows, "3": rows}; a row has `input`, `model` and for each rate a cell of the comparison, or None
    """
    return {
        table: _pivot([row for row in comparison if str(row["table"]) in (table, figure)])
        for table, figure in AUC_FIGURES.items()
    }


def _pivot(cells: Rows) -> list[dict]:
    """One row per input and model, one cell per rate."""
    rows: dict[tuple, dict] = {}
    for cell in cells:
        key = (cell["input"], cell["model"])
        rows.setdefault(key, {"input": key[0], "model": key[1]} | dict.fromkeys(RATES))[cell["metric"]] = cell
    return list(rows.values())


def tests_beside_paper(comparison: Rows) -> list[dict]:
    """Table 2 with the paper's numbers beside ours: one row per pair of models, one cell per column of the paper."""
    rows: dict[tuple, dict] = {}
    for cell in (row for row in comparison if str(row["table"]) == "2"):
        key = (cell["input"], cell["model"], cell["against"])
        row = rows.setdefault(key, dict(zip(("input", "model", "against"), key, strict=True)))
        row[cell["metric"]] = cell
    return list(rows.values())


def explanations(figures: dict[str, str | None], tables: dict[str, Rows]) -> list[dict]:
    """Pictures of what moved the decisions, each with heading, caption and the table of the same name.

    The order is that of the inputs, within an input that of EXPLANATIONS, single subjects first.
    """
    found = []
    for name, path in figures.items():
        start = next((start for start in EXPLANATIONS if name.startswith(start)), None)
        if start and path:
            input_ = name.removeprefix(start).strip("_")
            heading, caption, about = EXPLANATIONS[start]
            found.append({"input": input_, "order": start, "heading": heading, "caption": caption, "path": path,
                          "rows": tables.get(name, []), "about": about})  # fmt: skip
    order = ("class_activation", "class_activation_template", "slice_importance")
    return sorted(found, key=lambda one: (one["input"], order.index(one["order"])))
