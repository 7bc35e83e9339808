"""Predictions → every table of the evaluation."""

import pandas as pd

from qnet.evaluation.ablation import ablation_table
from qnet.evaluation.between_sites import between_sites
from qnet.evaluation.calibration import calibration_table, reliability_table
from qnet.evaluation.cases import split_cases
from qnet.evaluation.confounds import confound_table
from qnet.evaluation.contrasts import contrast_table, delong_table, mcnemar_table, pair_table
from qnet.evaluation.decision import decision_table
from qnet.evaluation.paper import comparison
from qnet.evaluation.settings import Ceiling, Evaluate
from qnet.evaluation.shapley import shapley_table
from qnet.evaluation.subgroups import subgroup_table
from qnet.evaluation.tables import run_table, scan_table
from qnet.predictions import LEVELS


def evaluate(
    predictions: pd.DataFrame,
    params: Evaluate,
    ceiling: Ceiling | None = None,
    people: pd.DataFrame | None = None,
    variants: pd.DataFrame | None = None,
    all_maps: bool = True,
) -> dict[str, pd.DataFrame]:
    """All tables of checked predictions (`qnet.predictions.read_predictions`).

    Parameters
    ----------
    predictions : main run and baselines
    ceiling : truth of a simulated cohort
    people : age and sex; without it `confounds`, `subgroups`, `between_sites` and `paper_comparison` have no
        rows
    variants : predictions with a column `variant`; without it `ablation` and `shapley` have no rows
    all_maps : whether the networks of the main run used all three maps; else `shapley` has no rows

    Returns
    -------
    dict
        name → table; fractions in [0, 1]; columns `input…` only if the predictions have one.
    """
    images, scans = (split_cases(predictions, level) for level in LEVELS)
    tests = delong_table(images + scans)
    tables = {
        "table1": run_table(images, params).rename(columns={"cases": "images"}),
        "table2": pair_table(tests),
        "table3": scan_table(scans, images, params, ceiling),
        "table3_runs": run_table(scans, params),
        "delong": tests,
        "mcnemar": mcnemar_table(scans, params.threshold),
        "contrasts": contrast_table(scans, params),
        "calibration": calibration_table(scans, params.confidence),
        "reliability": reliability_table(scans, params.bins, params.confidence),
        "decision_curve": decision_table(scans),
        "confounds": confound_table(scans, people, params.confidence),
        "subgroups": subgroup_table(scans, people, params),
        "between_sites": between_sites(scans, people, params.confidence),
        "ablation": ablation_table(predictions, variants, params),
        "shapley": shapley_table(predictions, variants if all_maps else None, params),
    }
    if "input" not in predictions:
        tables = {name: table.drop(columns="input", errors="ignore") for name, table in tables.items()}
    return tables | {"paper_comparison": comparison(tables, people)}
