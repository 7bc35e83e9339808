"""A finished run → its bundle, which applies it to unseen subjects, and its model card."""

from pathlib import Path

import pandas as pd

from qnet.application.bundle import list_weights, read_bundle, write_bundle
from qnet.application.outcome import headline
from qnet.application.run_facts import ModelCard, run_facts
from qnet.atomic import atomic
from qnet.folds import read_folds
from qnet.predictions import read_predictions
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report.model_card import card_text, settings, training
from workflow.lib.report.report_data import flags, of_models, read_rows


def main(folds: str, predictions: str, table3: str, subgroups: str, confounds: str, between_sites: str,
         image_weights: list[str], scan_weights: list[str], bundle: str, card: str, cfg: dict, synthetic: bool,
         versions: dict[str, str], **files: list[str]) -> None:  # fmt: skip
    """`files`: the `stats`, `stacks`, `acquisitions` and `embeddings` of the training subjects."""
    people, inputs = read_folds(folds), cfg["runs"]["inputs"]
    about = settings(cfg) | training(cfg, people, synthetic) | {"versions": versions}
    about |= run_facts(
        people, read_predictions(predictions), **files, inputs=inputs, params=ModelCard(**cfg["model_card"])
    )
    about["decision"] = headline(cfg["evaluate"]["primary"][0], inputs)
    about["metrics"] = pd.read_csv(table3, sep="\t", na_values=["n/a"]).to_dict("records")
    for name, path in {"subgroups": subgroups, "between_sites": between_sites}.items():
        about[name] = of_models(read_rows(path), [about["decision"]])
    about["confounds"] = flags(read_rows(confounds))
    about["weights"] = list_weights(image_weights, scan_weights, Path(bundle).parent)
    write_bundle(bundle, about)
    with atomic(card) as part:
        part.write_text(card_text(read_bundle(bundle)), encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        files = dict(snakemake.input.items())
        for name in ("stats", "stacks", "acquisitions", "embeddings", "image_weights", "scan_weights"):
            files[name] = listed(files[name])
        params = {"cfg": snakemake.params.cfg, "synthetic": snakemake.params.synthetic}
        main(**files, **snakemake.output, **params, versions=versions())
