"""A trained run on labelled subjects that it has not seen: what its scores are worth there, and for whom."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from qnet.evaluation.between_sites import between_sites
from qnet.evaluation.calibration import LINE, calibration_table, reliability_table
from qnet.evaluation.cases import Cases, split_cases
from qnet.evaluation.decision import decision_table
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import difference_of_independent
from qnet.evaluation.subgroups import subgroup_table
from qnet.evaluation.tables import scan_table
from qnet.evaluation.updating import update_table

OF_CALIBRATION = ["brier", "brier_low", "brier_high", "brier_reference", *LINE, "note"]


def validation_tables(
    predictions: pd.DataFrame, params: Evaluate, people: pd.DataFrame, unlike: Iterable[str], trained: list[Mapping]
) -> dict[str, pd.DataFrame]:
    """All tables of an external validation.

    Parameters
    ----------
    predictions : result of `qnet.predictions.read_predictions`, scans alone
    params : with the threshold of the trained run
    people : age [years], sex, and site where there is such a column, missing where unknown; index participant_id
    unlike : participants whose scan is unlike those of the training
    trained : rows of table 3 of the trained run
    """
    scans = split_cases(predictions, "scan")
    return {
        "validation": performance_table(scans, params, trained),
        "validation_strata": subgroup_table(scans, people, params, set(unlike)),
        "validation_sites": between_sites(scans, people, params.confidence),
        "validation_updates": update_table(scans, params.confidence),
        "validation_reliability": reliability_table(scans, params.bins, params.confidence),
        "validation_decision_curve": decision_table(scans),
    }


def performance_table(scans: list[Cases], params: Evaluate, trained: list[Mapping]) -> pd.DataFrame:
    """Rates, AUC and calibration of every row, and by how much the AUC differs from that of the cross-validation."""
    keys = ["input", "model"]
    table = scan_table(scans, [], params).drop(columns=["seeds", "auc_sd", "auc_within_folds", "ties", "votes"],
                                               errors="ignore")  # fmt: skip
    table = table.merge(calibration_table(scans, params.confidence)[[*keys, *OF_CALIBRATION]], on=keys)
    before = {(row.get("input"), row.get("model")): row for row in trained}
    compared = [fall(row, before.get((row["input"], row["model"]), {})) for row in table.to_dict("records")]
    return table.assign(**pd.DataFrame(compared))


def fall(here: Mapping, before: Mapping) -> dict[str, float]:
    """AUC of the cross-validation, and the difference of an AUC to it with an interval; NaN where one is not known."""
    first, second = (
        (_number(row.get("auc")), _number(row.get("auc_low")), _number(row.get("auc_high"))) for row in (here, before)
    )
    difference, low, high = difference_of_independent(first, second)
    limits = {"difference_low": low, "difference_high": high}
    return {"auc_trained": second[0], "difference": difference} | limits


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
