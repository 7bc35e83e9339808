"""The model card of a trained run, in Markdown, from its bundle (Mitchell et al. 2019, doi:10.1145/3287560.3287596)."""

from collections.abc import Mapping, Sequence

import pandas as pd

from qnet.application.confounds import confounds_of
from qnet.evaluation.manifest import TABLES, Column
from qnet.harmonise import COMBAT, harmonises_windows
from qnet.labels import RESEARCH_USE, SYNTHETIC
from workflow.lib.report.cells import NO_INTERVAL, Cell, cell, columns
from workflow.lib.report.cohort import by_fold, by_group
from workflow.lib.report.html import filled_markdown
from workflow.lib.study.applied import SECTIONS, preprocessing

LEARNING = ("folds", "runs", "train_image_model", "train_scan_model")  # sections listed, but not compared
NEEDED = (
    "dataset",
    "harmonisation",
    "participants",
    "evaluate",
    "model_card",
    *LEARNING,
    *SECTIONS,
)  # of the configuration
USE = (
    "Research on two-group studies with quantitative maps that were made with the same settings.",
    "Input: multi-echo gradient echo images that this software turns into susceptibility, R2* and T1-weighted maps.",
    "Output: P({positive}) against {negative}, its spread over the networks, and regional z-scores against the "
    "training controls.",
)
LIMITS = (
    f"{RESEARCH_USE} It has not been tested on future patients.",
    "It knows only {positive} and {negative}: a person with any other condition gets a probability as well.",
    "Groups were compared in the proportion of the study ({share} % {positive}); a probability holds for that "
    "proportion, not for a population.",
    "The metrics are those of networks on subjects of the same study that they had not seen. New subjects get the mean "
    "over the networks of all folds, which itself was never tested; with another scanner, protocol or population "
    "performance may be worse.",
    "{n} subjects: the intervals of the metrics are wide, and rare kinds of scans are not represented.",
    "The out-of-distribution check finds scans that are unlike the training scans as a whole, not everything odd.",
    "z-scores refer to {controls} controls of the study, not with a reference population.",
)
PERMUTED = "Trained on randomly permuted groups: a negative control, of no use for anything else."
SIMULATED = f"Trained on {SYNTHETIC}: its output says nothing about a real person."


def settings(cfg: Mapping) -> dict:
    """What a bundle says of the configuration: groups, threshold, preprocessing, learning."""
    return {
        "dataset": cfg["dataset"],
        "classes": {sign: cfg["participants"][f"{sign}_label"] for sign in ("negative", "positive")},
        "threshold": cfg["evaluate"]["threshold"],
        "preprocessing": preprocessing(cfg),
        "learning": {section: cfg[section] for section in LEARNING},
        "harmonisation": cfg["harmonisation"],
    }


def training(cfg: Mapping, people: pd.DataFrame, synthetic: bool) -> dict:
    """Who the networks learnt from, by group and by fold, and what follows for their use, in sentences.

    Parameters
    ----------
    cfg : configuration
    people : folds.tsv with participant_id, label, group, age, sex, fold
    synthetic : whether the subjects are simulated
    """
    facts = {
        **settings(cfg)["classes"],
        "n": len(people),
        "controls": int((people["label"] == 0).sum()),
        "share": f"{100 * people['label'].mean():.0f}",
    }
    permuted = cfg["runs"]["labels"] == "permuted"
    first = [text for text, holds in ((SIMULATED, synthetic), (PERMUTED, permuted)) if holds]
    return {
        "synthetic": synthetic,
        "data": {"groups": by_group(people), "folds": by_fold(people)},
        "window_sites": sorted(people["site"].unique()) if harmonises_windows(cfg) else [],
        "intended_use": [text.format(**facts) for text in USE],
        "limits": first + [text.format(**facts) for text in LIMITS],
    }


def card_text(bundle: Mapping) -> str:
    """The model card of a bundle."""
    metrics = _in_text(TABLES["table3"].columns, bundle["metrics"])
    told = {name: bundle.get(name, []) for name in ("subgroups", "between_sites")}  # bundles of earlier versions
    parts = {name: _in_text(columns(name, rows, ("input", "model")), rows) for name, rows in told.items()}
    return filled_markdown(
        "model_card.md.j2",
        bundle=bundle,
        confounds=confounds_of(bundle),
        metrics=metrics,
        parts=parts,
        harmonised=bundle["harmonisation"] == COMBAT,
        windows=harmonises_windows({"harmonisation": bundle["harmonisation"], **bundle["preprocessing"]}),
    )


def _in_text(shown: Sequence[Column], rows: list[dict]) -> list[list[str]]:
    """Titles of columns, and below them the cells of the rows."""
    titles = [f"{column.group} {column.title}".strip() for column in shown]
    return [titles, *([in_text(cell(column, row)) for column in shown] for row in rows)]


def in_text(one: Cell) -> str:
    """`82.1 (73.2 to 88.5)`."""
    return f"{one.text} ({one.interval})" if one.interval not in ("", NO_INTERVAL) else one.text
