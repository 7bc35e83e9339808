"""What a trained run keeps of its subjects so that it can be applied to others: norms, limits, uncertain scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from safetensors.numpy import load_file

from qnet.application.bundle import uncertain_band
from qnet.application.normative import Normative, fit_normative
from qnet.application.outcome import MODELS
from qnet.application.similarity import image_statistics, training_embeddings, training_protocol, training_statistics
from qnet.folds import held_out_labels
from qnet.images.data import read_array, read_stack
from qnet.regional_means import regional_means


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Settings of the bundle: section `model_card` of the configuration."""

    age_slope_sd: float
    age_curvature_sd: float
    spread_slope_sd: float
    typical: float  # share of training scans that counts as usual
    uncertain_odds: float

    def normative(self) -> Normative:
        return Normative(
            age_slope_sd=self.age_slope_sd,
            age_curvature_sd=self.age_curvature_sd,
            spread_slope_sd=self.spread_slope_sd,
        )


def run_facts(
    people: pd.DataFrame, predictions: pd.DataFrame, stats: Sequence[str], stacks: Sequence[str],
    acquisitions: Sequence[str], embeddings: Sequence[str], inputs: Sequence[str], params: ModelCard,
) -> dict:  # fmt: skip
    """What a bundle says of the training subjects: `bands`, `uncertain_odds`, `normative`, `similarity`.

    Parameters
    ----------
    people : result of `qnet.folds.read_folds`
    predictions : result of `qnet.predictions.read_predictions`
    stats, stacks, acquisitions : paths
        Statistics per nucleus, slices and `acquisition.json` of every subject.
    embeddings : paths
        Of every subject, `…/<input>/seed-<s>/fold-<k>/…`, one file for each image model to compare with.
    inputs : names
    params : ModelCard
    """
    scans = [json.loads(Path(path).read_text(encoding="utf-8")) for path in acquisitions]
    return {
        "bands": bands(predictions, params.uncertain_odds),
        "uncertain_odds": params.uncertain_odds,
        "normative": norms(people, stats, params.normative()),
        "similarity": similarity(scans, stacks, embeddings, people, inputs, params.typical),
    }


def norms(people: pd.DataFrame, stats: Sequence[str], params: Normative) -> dict | None:
    """Normative model of the controls (label 0) whose age is known, see `run_facts`."""
    controls = people[people["label"] == 0].set_index("participant_id")["age"].astype(float).dropna()
    paths = {Path(path).name.split("_")[0]: path for path in stats}
    return fit_normative(controls.to_numpy(), [regional_means(paths[name]) for name in controls.index], params)


def bands(predictions: pd.DataFrame, odds: float) -> dict[str, dict[str, list[float]]]:
    """Input → model → uncertain scores, from predictions of held-out scans averaged over the seeds."""
    scans = predictions[(predictions["level"] == "scan") & predictions["model"].isin(MODELS)]
    found: dict[str, dict] = {}
    for (input_name, model), rows in scans.groupby(["input", "model"], sort=False):
        mean = rows.groupby("participant_id")[["label", "score"]].mean()
        band = uncertain_band(mean["label"].to_numpy() > 0.5, mean["score"].to_numpy(), odds)
        found.setdefault(input_name, {})[model] = band
    return found


def similarity(
    acquisitions: Sequence[Mapping], stacks: Sequence[str], embeddings: Sequence[str], people: pd.DataFrame,
    inputs: Sequence[str], typical: float,
) -> dict:  # fmt: skip
    """What the training scans were like: protocol, image statistics, embeddings; parameters as in `run_facts`.

    `acquisitions` is what the files say, `typical` the share of training scans that counts as usual.
    """
    statistics = {
        name: [image_statistics(read_stack(path, name)[0], read_array(path, f"{name}_brain")) for path in stacks]
        for name in inputs
    }
    return {
        "typical": typical,
        "protocol": training_protocol(acquisitions),
        "images": {name: training_statistics(scans, typical) for name, scans in statistics.items()},
        "embeddings": [_embeddings(path, people) for path in embeddings],
    }


def _embeddings(path: str, people: pd.DataFrame) -> dict:
    """Where the embeddings of one file lie; the subjects of its fold are those held out."""
    input_name, seed, fold = Path(path).parent.parts[-3:]
    number = int(fold.removeprefix("fold-"))
    about = {"input": input_name, "seed": int(seed.removeprefix("seed-")), "fold": number}
    features, names = load_file(path), set(people["participant_id"])
    scans = {name: array for name, array in features.items() if name in names}
    return about | training_embeddings(scans, [*held_out_labels(people, number)])
