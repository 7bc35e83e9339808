"""What the page of an external validation says in sentences, from its tables and the bundle of the trained run."""

from collections.abc import Iterable, Mapping

import pandas as pd

from qnet.application.confounds import confounds_of
from workflow.lib.report.report_data import Rows, of_models
from workflow.lib.words import known, number

FEWEST = 100  # subjects of the smaller group, Collins 2016, 10.1002/sim.6787
MOST_NAMED = 3  # kinds of difference that a sentence lists


def of_decision(rows: Rows, decision: Mapping[str, str]) -> Rows:
    """The rows of the input and model that decide."""
    return of_models(rows, [decision])


def other_names(classes: Mapping[str, str], here: Mapping[str, str]) -> str:
    """A sentence where the groups have other names than those that the model was trained on, else empty.

    Parameters
    ----------
    classes, here : name of the `negative` and the `positive` group
    """
    if dict(classes) == dict(here):
        return ""
    said = [
        f"{here[side]} stands for {classes[side]}" for side in ("positive", "negative") if here[side] != classes[side]
    ]
    return f"The groups have other names than in the training: {' and '.join(said)} here."


def warnings(
    model: Mapping, here: Mapping[str, str], synthetic: bool, tables: Mapping[str, Rows], kinds: Rows
) -> list[str]:
    """What a reader must know before the numbers.

    Parameters
    ----------
    model : the bundle
    here : names of the groups of these subjects, see `other_names`
    synthetic : whether these subjects are simulated
    tables : rows of the tables of the validation by name
    kinds : rows of `qnet.application.validation.kinds_of_difference`
    """
    (row,) = of_decision(tables["validation"], model["decision"])
    strata = of_decision(tables["validation_strata"], model["decision"])
    found = [
        *confounds_of(model),
        other_names(model["classes"], here),
        "The networks were trained on simulated subjects: their output says nothing about real persons."
        if model["synthetic"] and not synthetic
        else "",
        *_of_discrimination(row),
        *_of_calibration(row, model["classes"]["positive"]),
        _of_similarity(strata, kinds),
        _of_size(strata),
        *(
            f"{part['stratum']}: {part['note']}."
            for part in strata
            if part["stratum"].startswith("site ") and known(part["note"])
        ),
    ]
    return [sentence for sentence in found if sentence]


def _told(row: Mapping, name: str, sign: str = "") -> str:
    """`0.71 (0.60 to 0.82)`."""
    value, low, high = (f"{row[key]:{sign}.2f}" for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})".replace("-", "−")


def _of_discrimination(row: Mapping) -> Iterable[str]:
    if not known(row["auc_low"]):
        yield f"The AUC is {row['auc']:.2f} without an interval: too few subjects, or all pairs are ordered alike."
    elif row["auc_high"] < 0.5:
        yield f"The score orders the groups the wrong way round here: AUC {_told(row, 'auc')}."
    elif row["auc_low"] <= 0.5:
        yield f"It is not shown that the score tells the groups apart here: AUC {_told(row, 'auc')}."
    if known(row["difference_high"]) and row["difference_high"] < 0:
        yield f"The AUC is lower than in the cross-validation of the training run by {_told(row, 'difference', '+')}."


def _of_calibration(row: Mapping, positive: str) -> Iterable[str]:
    if row["intercept_low"] > 0 or row["intercept_high"] < 0:
        often = "rarely" if row["intercept"] > 0 else "often"
        yield f"{positive} is predicted too {often} (calibration in the large {_told(row, 'intercept', '+')})."
    if known(row["slope"]) and (row["slope_high"] < 1 or row["slope_low"] > 1):
        how = "extreme" if row["slope"] < 1 else "cautious"
        yield f"The probabilities are too {how} (slope {_told(row, 'slope')})."


def _of_similarity(strata: Rows, kinds: Rows) -> str:
    sizes = {part["stratum"]: part["subjects"] for part in strata}
    if "unlike training" not in sizes:
        return ""
    named = ", ".join(f"{kind['difference']} ({kind['subjects']})" for kind in kinds[:MOST_NAMED])
    more = " …" if len(kinds) > MOST_NAMED else ""
    share = f"{number(sizes['unlike training'])} of {number(sizes['all'])} scans are unlike those of the training"
    return f"{share}: {named}{more}. The results hold for such scans as far as they are among these."


def _of_size(strata: Rows) -> str:
    everybody = strata[0]
    smaller = min(everybody["positives"], everybody["subjects"] - everybody["positives"])
    if smaller >= FEWEST:
        return ""
    advised = f"at least {FEWEST} are advised for an external validation (Collins 2016)"
    return f"The smaller group has {number(smaller)} subjects; {advised}."


def subjects_of(results: Mapping[str, Mapping], people: pd.DataFrame) -> Rows:
    """A line for each subject, the wrong decisions first; `unlike` counts what tells the scan from the training."""
    rows = []
    for name, result in results.items():
        (first,) = (row for row in result["outcomes"] if row["decides"])
        person = people.loc[name]
        row = {"scan": result["scan"], "site": person.get("site"), "group": person["group"]}
        row |= {"probability": first["probability"], "decision": first["decision"]}
        right = (first["probability"] >= first["threshold"]) == (person["label"] == 1)
        rows.append(row | {"right": bool(right), "unlike": len(result["unlike_training"])})
    return sorted(rows, key=lambda row: (row["right"], row["scan"]))
