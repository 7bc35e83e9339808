"""Scores of many networks for one scan → a probability, how far the networks agree, and cautions."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

MODELS = ("Q-Net", "ResNetSWA mean P")  # rows of table 3 that a bundle can apply
NO_INFORMATION = [
    0.0,
    1.0,
]  # uncertain scores of a model that has not learnt, see `qnet.application.bundle.uncertain_band`


def headline(primary: Mapping[str, str], inputs: Sequence[str]) -> dict[str, str]:
    """Input and model that decide: those of the study's primary contrast, or the Q-Net on the last input."""
    if primary["model"] in MODELS and primary["input"] in inputs:
        return {"input": primary["input"], "model": primary["model"]}
    return {"input": inputs[-1], "model": MODELS[0]}


def outcomes(scores: pd.DataFrame, bundle: Mapping) -> pd.DataFrame:
    r"""Mean and spread over folds and seeds, and the decision, of each input and model.

    Parameters
    ----------
    scores : DataFrame
        input, model, seed, fold, score: P(positive) of one scan.
    bundle : dict
        `threshold`, `classes`, `bands` and `decision` are read.

    Returns
    -------
    DataFrame
        input, model, probability, sd, low, high (over the networks), networks, threshold, decision (name of a group),
        uncertain (why, or empty), decides (True in one row, the first).
    """
    table = scores.groupby(["input", "model"], sort=False)["score"].agg(
        probability="mean", sd=lambda s: float(s.std(ddof=0)), low="min", high="max", networks="size"
    )
    table = table.reset_index().assign(threshold=bundle["threshold"])
    names = np.array([bundle["classes"]["negative"], bundle["classes"]["positive"]])
    table["decision"] = names[(table["probability"] >= table["threshold"]).astype(int)]
    table["uncertain"] = [_uncertain(row, bundle) for row in table.to_dict("records")]
    chosen = bundle["decision"]
    table["decides"] = (table["input"] == chosen["input"]) & (table["model"] == chosen["model"])
    return table.sort_values("decides", ascending=False, kind="stable", ignore_index=True)


def _uncertain(row: Mapping, bundle: Mapping) -> str:
    """Why a decision is near its threshold, or nothing."""
    reasons = []
    if abs(row["probability"] - row["threshold"]) <= row["sd"]:
        reasons.append(f"the threshold {row['threshold']:g} is within one SD of the networks' mean ({row['sd']:.2f})")
    band = bundle["bands"].get(row["input"], {}).get(row["model"])
    if band == NO_INFORMATION:
        reasons.append("this score did not separate held-out training subjects")
    elif band and band[0] <= row["probability"] <= band[1]:
        odds = f"below {bundle['uncertain_odds']:g} to 1 among held-out training subjects"
        reasons.append(f"probabilities from {band[0]:.2f} to {band[1]:.2f} corresponded to odds {odds}")
    return "; ".join(reasons)


def cautions(table: pd.DataFrame) -> list[str]:
    """Sentences about the decision of one scan, result of `outcomes`."""
    first = table.iloc[0]
    found = []
    if first["uncertain"]:
        found.append(f"Near the threshold: {first['uncertain']}. The decision could as easily have gone the other way.")
    others = table[table["decision"] != first["decision"]]
    if len(others):
        listed = ", ".join(f"{row.model} on the {row.input} input" for row in others.itertuples())
        found.append(f"The networks disagree: {listed} decide for {others.iloc[0]['decision']}.")
    return found
