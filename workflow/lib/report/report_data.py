"""What the report shows: tables and figures by name, and the rows of a table as the page groups them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qnet.evaluation.manifest import FIGURES, TABLES
from qnet.evaluation.names import CONTROLS, NETWORKS, OF_SITES
from qnet.harmonise import notes
from workflow.lib.words import known

KINDS = (
    "Networks", "Networks, mean probability of the slices", "Baselines and other models",
    "Controls, expected at chance", "Limits",
)  # fmt: skip
COHORT_CHECKS = ("age alone", "sex alone", "age and sex, cross-validated", "background only")
WITHIN = "within "  # begins the checks inside a subgroup, which the table of subgroups shows
RATES = ("accuracy", "sensitivity", "specificity", "f1", "auc")
AUC_FIGURES = {"1": "figure 6", "3": "figure 8"}  # where the paper prints the AUCs that its tables lack
SIGN = re.compile(r"\bsign\b")  # is in every warning about the sign of the phase or of susceptibility

Rows = list[dict[str, object]]


def read_rows(path: str | Path) -> Rows:
    """The rows of a table; undefined cells (n/a) are NaN, every other text stays as it is."""
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["n/a", ""]).to_dict("records")


def read_tables(paths: Iterable[str]) -> dict[str, Rows]:
    """Tables by the name of their file; those that a run does not have are empty."""
    absent: dict[str, Rows] = {name: [] for name, table in TABLES.items() if table.shown_in and not table.per_input}
    return absent | {Path(path).stem: read_rows(path) for path in paths}


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it; `alt` is read to those who cannot see it."""

    path: str
    alt: str
    caption: str
    broad: bool


def caption_of(caption: str, cfg: Mapping) -> str:
    """A caption of the manifest with its places filled in; the page escapes them."""
    groups, evaluate = cfg["participants"], cfg["evaluate"]
    return caption.format(
        positive=groups["positive_label"],
        negative=groups["negative_label"],
        level=f"{100 * evaluate['confidence']:g}",
        bootstrap=evaluate["bootstrap"],
        threshold=evaluate["threshold"],
    )


def captions_of(cfg: Mapping) -> dict[str, str]:
    """The caption of every table."""
    return {name: caption_of(table.caption, cfg) for name, table in TABLES.items()}


def pictures_of(paths: Iterable[str], cfg: Mapping) -> dict[str, Picture | None]:
    """Figures by the name of their file; None for those that a run does not have."""
    files = {Path(path).stem: path for path in paths}
    return {
        name: Picture(files[name], figure.title, caption_of(figure.caption, cfg), figure.broad)
        if name in files
        else None
        for name, figure in FIGURES.items()
        if not figure.per_input
    }


def warnings_of(files: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Warnings about the maps: those about the sign, which turns every result over, or a broken map; and others."""
    pages = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    found = [
        {"scan": page["scan"], "text": warning, "broken": number < page.get("broken", 0)}
        for page in pages
        for number, warning in enumerate(page["warnings"])
    ]
    sign = [warning for warning in found if warning["broken"] or SIGN.search(warning["text"])]
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
    """The rows about the cohort, and those about the models of the primary contrast that no subgroup shows."""
    cohort = [row for row in confounds if not known(row["model"]) or row["check"] in COHORT_CHECKS]
    others = [row for row in confounds if row not in cohort and not row["check"].startswith(WITHIN)]
    return {"cohort": cohort, "models": of_models(others, primary)}


def of_models(rows: Rows, chosen: Iterable[dict]) -> Rows:
    """The rows of some models, each with its input."""
    keys = {(model["input"], model["model"]) for model in chosen}
    return [row for row in rows if (row.get("input"), row["model"]) in keys]


def auc_over_sites(between_sites: Rows) -> Rows:
    """The rows that tell a mean AUC over sites."""
    return [row for row in between_sites if row["measure"] == OF_SITES[0] and known(row["value"])]


def compared(contrast: dict) -> list[dict]:
    """Input and model of both sides of a contrast."""
    return [{"input": contrast.get(f"input_{which}"), "model": contrast[f"model_{which}"]} for which in "12"]


def of_sites(harmonisation: Rows) -> list[str]:
    """What is to be said of the sites that harmonisation could not simply take from the training."""
    return notes(pd.DataFrame(harmonisation))


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


def explanations(paths: Iterable[str], tables: dict[str, Rows], cfg: Mapping) -> list[dict]:
    """The figures that there is one of for every input, each with the rows and caption of the table of its name.

    By input, within an input in the order of the manifest.
    """
    files, found = {Path(path).stem: path for path in paths}, []
    for input_ in cfg["runs"]["inputs"]:
        for name, figure in FIGURES.items():
            file = f"{name}_{input_}"
            if not figure.per_input or file not in files:
                continue
            caption = f"{figure.title}. {caption_of(figure.caption, cfg)}"
            found.append({
                "input": input_, "picture": Picture(files[file], figure.title, caption, figure.broad),
                "rows": tables.get(file, []), "about": caption_of(TABLES[name].caption if name in TABLES else "", cfg),
            })  # fmt: skip
    return found
