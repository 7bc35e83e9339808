"""Ablation: what each variant of the learning settings gains or loses against the main run."""

import numpy as np
import pandas as pd

from qnet.evaluation.cases import split_cases
from qnet.evaluation.contrasts import Row, adjusted, paired
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import auc_interval
from qnet.predictions import LEVELS, by_variant

MAIN = "main"
COMPARED = (("image", "ResNetSWA"), ("image", "Q-Net"), ("scan", "ResNetSWA mean P"), ("scan", "Q-Net"))
COLUMNS = ["variant", "input", "level", "model", "subjects", "cases", "auc", "auc_low", "auc_high"]
COLUMNS += ["difference", "difference_low", "difference_high", "p", "p_holm", "stars"]
Key = tuple[str, str, str]  # level, input, model


def compared_rows(predictions: pd.DataFrame) -> dict[Key, Row]:
    """Cases of every input, level and model that the ablation looks at."""
    groups = [cases for level in LEVELS for cases in split_cases(predictions, level)]
    return {
        (level, cases.input, model): (cases, model)
        for level, model in COMPARED
        for cases in groups
        if cases.level == level and model in cases.runs
    }


def ablation_row(variant: str, key: Key, row: Row, params: Evaluate) -> dict[str, object]:
    """AUC of one row with the interval clustered by subject."""
    level, input_, model = key
    cases = row[0]
    auc = auc_interval(cases.labels, cases.score(model), params.confidence, cases.subjects)
    about: dict[str, object] = {"variant": variant, "input": input_, "level": level, "model": model}
    about |= {"subjects": len(cases.participants), "cases": len(cases.labels)}
    return about | dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True))


def ablation_table(main: pd.DataFrame, variants: pd.DataFrame | None, params: Evaluate) -> pd.DataFrame:
    """AUC of the main run and of every variant; difference variant − main, paired, Holm over the table.

    Parameters
    ----------
    main, variants : predictions; those of variants carry a column `variant`

    Returns
    -------
    DataFrame
        COLUMNS; without variants no rows.
    """
    if variants is None:
        return pd.DataFrame(columns=COLUMNS)
    reference = compared_rows(main)
    found = [ablation_row(MAIN, key, row, params) for key, row in reference.items()]
    for variant, predictions in by_variant(variants).items():
        for key, row in compared_rows(predictions).items():
            about = ablation_row(variant, key, row, params)
            if key in reference:
                test = paired(row, reference[key], params)
                about |= {name: test[name] for name in ("difference", "difference_low", "difference_high", "p")}
            found.append(about)
    table = adjusted(pd.DataFrame(found, columns=COLUMNS))
    return table.assign(stars=table["stars"].where(table["p"].notna(), np.nan))
