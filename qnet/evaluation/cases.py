"""Predictions → arrays: the scores of all models for the same cases."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qnet.predictions import by_level_and_input


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The scores of all models for the same cases of one level and input.

    Parameters
    ----------
    participants : (S,) identifiers, sorted
    subjects : (n,) index into participants of each case
    slices : (n,) text, empty at scan level
    labels : (n,) bool
    folds : (n,) names of the test folds
    runs : model → (seeds, n) scores
    """

    level: str
    input: str
    participants: np.ndarray
    subjects: np.ndarray
    slices: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    runs: dict[str, np.ndarray]

    def score(self, model: str) -> np.ndarray:
        """(n,) score averaged over the seeds."""
        return self.runs[model].mean(axis=0)

    @property
    def names(self) -> np.ndarray:
        """(n,) what each case is called in every run: participant and slice."""
        return np.char.add(np.char.add(self.participants[self.subjects], " "), self.slices)

    @property
    def subject_labels(self) -> np.ndarray:
        """(S,) bool."""
        return np.bincount(self.subjects, self.labels) > 0


def split_cases(predictions: pd.DataFrame, level: str) -> list[Cases]:
    """Arrays of one level, one entry per input in order of appearance."""
    found = []
    for (table_level, input_), table in by_level_and_input(predictions):
        if table_level != level:
            continue
        table = table.sort_values(["participant_id", "slice"], kind="stable")
        runs: dict[str, list[np.ndarray]] = {model: [] for model in predictions["model"].unique()}
        for (model, _), run in table.groupby(["model", "seed"], sort=False):
            runs[model].append(run["score"].to_numpy())
        first = next(run for _, run in table.groupby(["model", "seed"], sort=False))
        participants, subjects = np.unique(first["participant_id"].to_numpy(str), return_inverse=True)
        found.append(
            Cases(
                level=level,
                input=input_,
                participants=participants,
                subjects=subjects,
                slices=first["slice"].to_numpy(str),
                labels=first["label"].to_numpy(bool),
                folds=first["fold"].to_numpy(str),
                runs={model: np.stack(scores) for model, scores in runs.items() if scores},
            )
        )
    return found
