"""Results of a trained run for labelled subjects → predictions for the statistics, and who is unlike the training."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from qnet.predictions import COLUMNS


def read_results(paths: Iterable[str | Path]) -> dict[str, dict]:
    """Participant → what was judged of its scan (`qnet.application.judge.Judged.as_dict`), and the scan's name."""
    results = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    return {result["scan"].split("_")[0]: result for result in results}


def predictions_of(results: Mapping[str, Mapping], labels: Mapping[str, int]) -> pd.DataFrame:
    """The mean over all networks as one score for each scan, input and model; the row that decides comes first.

    Seed and fold are 0: nobody here was in any fold.

    Parameters
    ----------
    results : of `read_results`
    labels : participant → 0 or 1

    Raises
    ------
    ValueError
        A subject has a result but no label, or the other way round.
    """
    if odd := sorted(results.keys() ^ labels.keys()):
        raise ValueError(f"validation: expected a result and a group of every subject, found only one for {odd[0]}")
    rows = [
        {"participant_id": name, "slice": "", "label": labels[name], "level": "scan", "seed": 0, "fold": 0,
         "input": row["input"], "model": row["model"], "score": row["probability"]}
        for name, result in sorted(results.items()) for row in result["outcomes"]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def unlike_training(results: Mapping[str, Mapping]) -> dict[str, list[str]]:
    """Participant → sentences about how the scan differs from those of the training, of those that do."""
    return {name: result["unlike_training"] for name, result in results.items() if result["unlike_training"]}


def kinds_of_difference(unlike: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """How many scans differ from the training in what: field strength, echo times, a statistic of the images …

    Returns
    -------
    DataFrame
        difference (what stands before the colon of a sentence), subjects, example (the first sentence); commonest first
    """
    found: dict[str, dict[str, str]] = {}
    for name, sentences in unlike.items():
        for sentence in sentences:
            found.setdefault(sentence.split(":")[0], {})[name] = sentence
    rows = [
        {
            "difference": kind,
            "subjects": len(members),
            "example": f"{next(iter(members))}: {next(iter(members.values()))}",
        }
        for kind, members in found.items()
    ]
    table = pd.DataFrame(rows, columns=["difference", "subjects", "example"])
    return table.sort_values("subjects", ascending=False, kind="stable", ignore_index=True)
