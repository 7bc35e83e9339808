"""The assessment of one new scan: outcome, regional z-scores, and cautions in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qnet.application.normative import COLUMNS, age_warning, z_scores
from qnet.application.outcome import cautions, outcomes
from qnet.application.similarity import image_statistics, protocol_differences, unusual_statistics
from qnet.images.data import read_array, read_stack
from qnet.regional_means import regional_means


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a page shows.

    Parameters
    ----------
    age : years, or None
    outcomes : result of `qnet.application.outcome.outcomes`
    cautions : sentences about the decision
    unlike : sentences about what tells the scan from the training scans
    z : result of `qnet.application.normative.z_scores`
    notes : sentences about the z-scores and the versions
    """

    age: float | None
    outcomes: pd.DataFrame
    cautions: list[str]
    unlike: list[str]
    z: pd.DataFrame
    notes: list[str]

    def as_dict(self) -> dict:
        """Plain values."""
        tables = {"outcomes": self.outcomes.to_dict("records"), "z_scores": self.z.to_dict("records")}
        sentences = {"cautions": self.cautions, "unlike_training": self.unlike, "notes": self.notes}
        return {"age": self.age, **tables, **sentences}


def judge(
    bundle: Mapping, found: Mapping, stats: str, stack: str, acquisition: Mapping, age: float | None, version: str
) -> Judged:
    """Judge one scan.

    Parameters
    ----------
    bundle : dict
        See `qnet.application.bundle`.
    found : result of `qnet.application.apply.apply_run`
    stats : path of the statistics per nucleus
    stack : path
    acquisition : what `acquisition.json` says
    age : float or None [years]
    version : of the software that made the maps
    """
    table = outcomes(pd.DataFrame(found["scores"]), bundle)
    norms = bundle["normative"]
    z = z_scores(norms, regional_means(stats), age) if norms else pd.DataFrame(columns=COLUMNS)
    return Judged(
        age=age,
        outcomes=table,
        cautions=cautions(table),
        unlike=unlike_training(bundle["similarity"], found, stack, acquisition),
        z=z,
        notes=[*filter(None, _notes(bundle, z, age, version))],
    )


def unlike_training(similarity: Mapping, found: Mapping, stack: str, acquisition: Mapping) -> list[str]:
    """Sentences about how a scan differs from the training scans: protocol, image statistics, embeddings."""
    sentences = protocol_differences(similarity["protocol"], acquisition)
    for name, training in similarity["images"].items():
        scan = image_statistics(read_stack(stack, name)[0], read_array(stack, f"{name}_brain"))
        sentences += unusual_statistics(training, scan, name)
    return sentences + found["unusual"]


def _notes(bundle: Mapping, z: pd.DataFrame, age: float | None, version: str) -> list[str | None]:
    """Sentences about the z-scores and the versions, None where there is nothing to say."""
    trained = bundle["versions"].get("Q-Net")
    told = f"The maps were made with Q-Net {version}, those of the training with Q-Net {trained}."
    other = told if trained != version else None
    if not bundle["normative"]:
        return ["Too few training controls for regional z-scores.", other]
    lacking = {(entry["map"], entry["region"]) for entry in bundle["normative"]["regions"]} - {
        *zip(z["map"], z["region"], strict=True)
    }
    absent = (
        f"No z-score of regions that the scan lacks: {', '.join(sorted({r for _, r in lacking}))}." if lacking else None
    )
    return [age_warning(bundle["normative"], age), absent, other]
