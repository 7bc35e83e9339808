"""Predictions of made-up cohorts, in the form that statistics read, and settings of the evaluation."""

import numpy as np
import pandas as pd
from scipy.special import expit

from qnet.evaluation.cases import Cases
from qnet.evaluation.settings import Evaluate

COLUMNS = ["participant_id", "slice", "label", "model", "level", "score", "input", "seed", "fold"]
PRIMARY = [{"input": "crop", "model": "Q-Net"}, {"input": "regions", "model": "ROI + age (LR)"}]
PARAMS = Evaluate(threshold=0.5, bootstrap=200, confidence=0.95, seed=0, primary=PRIMARY, bins=3)


def scan_cases(labels: np.ndarray, input_: str = "crop", **runs: np.ndarray) -> Cases:
    """One scan per subject; a score (n,) or (seeds, n) for each model."""
    labels = np.asarray(labels, bool)
    names = np.array([f"sub-{index:03d}" for index in range(labels.size)])
    return Cases(
        level="scan",
        input=input_,
        participants=names,
        subjects=np.arange(labels.size),
        slices=np.full(labels.size, ""),
        labels=labels,
        folds=np.full(labels.size, "0"),
        runs={model: np.atleast_2d(np.asarray(scores, float)) for model, scores in runs.items()},
    )


def networks(subjects: int = 20, slices: int = 3, seeds: int = 1, inputs: int = 2, signal: float = 1.0, seed: int = 0):
    """The three networks at both levels and the pooled ResNets, subjects 0, 2, … negative."""
    generator = np.random.default_rng(seed)
    rows = []
    for input_ in ("full", "crop")[:inputs]:
        for run in range(seeds):
            for model in ("ResNet", "ResNetSWA", "Q-Net"):
                for subject in range(subjects):
                    name, label, fold = f"sub-{subject:03d}", subject % 2, subject // 2 % 3
                    scores = expit(signal * (label - 0.5) + generator.normal(size=slices))
                    images = [(name, s, label, model, "image", score) for s, score in enumerate(scores)]
                    vote = ((scores >= 0.5).sum() + scores.mean()) / (slices + 1)
                    scans = [(name, "", label, model, "scan", scores.mean() if model == "Q-Net" else vote)]
                    if model != "Q-Net":
                        scans.append((name, "", label, f"{model} mean P", "scan", scores.mean()))
                    rows += [(*row, input_, run, fold) for row in images + scans]
    return pd.DataFrame(rows, columns=COLUMNS)


def baselines(subjects: int = 20, signal: float = 1.0, seed: int = 1) -> pd.DataFrame:
    """Scan-level rows of the regional model, of age and sex, and of the background."""
    generator = np.random.default_rng(seed)
    label = np.arange(subjects) % 2
    names = [f"sub-{subject:03d}" for subject in range(subjects)]
    strengths = {("regions", "ROI + age (LR)"): signal, ("none", "Age + sex"): 0, ("background", "Background only"): 0}
    tables = [
        pd.DataFrame({"participant_id": names, "label": label, "fold": np.arange(subjects) // 2 % 3}).assign(
            slice="", model=model, level="scan", input=input_, seed=0,
            score=expit(strength * (label - 0.5) + generator.normal(size=subjects)),
        )
        for (input_, model), strength in strengths.items()
    ]  # fmt: skip
    return pd.concat(tables)[COLUMNS]


def people(subjects: int = 20, older: float = 0.0, seed: int = 2) -> pd.DataFrame:
    """Pairs of equal age and sex, patients older by some years; index participant_id."""
    generator = np.random.default_rng(seed)
    pairs = subjects // 2
    label = np.arange(subjects) % 2
    table = pd.DataFrame({"participant_id": [f"sub-{subject:03d}" for subject in range(subjects)]})
    table["age"] = np.repeat(generator.normal(55, 14, pairs).round(), 2) + older * label
    table["sex"] = np.repeat(np.where(generator.random(pairs) < 0.67, "M", "F"), 2)
    return table.assign(label=label, group=np.where(label, "HH", "HC")).set_index("participant_id")
