"""Settings of the evaluation, and what is known about a simulated cohort."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qnet.folds import read_folds


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Settings of the evaluation: section `evaluate` of the configuration."""

    threshold: float  # score from which a case counts as positive
    bootstrap: int  # resamples of subjects
    confidence: float  # level of every interval
    seed: int
    primary: list[dict[str, str]]  # the two rows of table 3, {input, model}, that the one primary test compares
    bins: int  # of the reliability curve


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What a perfect reader of a simulated cohort would reach: in theory, and on the very subjects drawn.

    Parameters
    ----------
    oracle : participant_id → log-likelihood ratio, positive in favour of the positive class
    """

    accuracy: float
    auc: float
    oracle: pd.Series


def read_ceiling(folder: str | Path) -> Ceiling:
    """Read ceiling.json and cohort.tsv of a simulated cohort."""
    path = Path(folder) / "ceiling.json"
    limits = json.loads(path.read_text())
    if absent := {"accuracy", "auc"} - limits.keys():
        raise ValueError(f"{path}: expected the keys accuracy and auc, found no {', '.join(sorted(absent))}")
    cohort = pd.read_csv(path := Path(folder) / "cohort.tsv", sep="\t", dtype={"participant_id": str})
    for column in ("participant_id", "oracle_score"):
        if column not in cohort:
            raise ValueError(f"{path}, column '{column}': expected in the header, found {list(cohort.columns)}")
    oracle = cohort.set_index("participant_id")["oracle_score"]
    return Ceiling(accuracy=limits["accuracy"], auc=limits["auc"], oracle=oracle)


def read_people(path: str | Path) -> pd.DataFrame:
    """Age (NaN if it is no number), sex and group of every participant, index participant_id.

    Parameters
    ----------
    path : folds.tsv, or a table like it: participant_id, age [years], sex, and group if known

    Raises
    ------
    ValueError
        A column is missing, or a participant occurs twice.
    """
    people = read_folds(path)
    for column in ("participant_id", "age", "sex"):
        if column not in people:
            raise ValueError(f"{path}, column '{column}': expected in the header, found {list(people.columns)}")
    if people["participant_id"].duplicated().any():
        twice = people.loc[people["participant_id"].duplicated(), "participant_id"].iloc[0]
        raise ValueError(f"{path}, column 'participant_id': expected each once, found {twice} twice")
    return people.set_index("participant_id")
