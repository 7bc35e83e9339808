"""Results of a trained run for labelled subjects that it has not seen → predictions, tables, figures and their page."""

from dataclasses import replace

from qnet.application.bundle import read_bundle
from qnet.application.validation import kinds_of_difference, predictions_of, read_results, unlike_training
from qnet.evaluation.external import validation_tables
from qnet.evaluation.figure_set import draw_validation
from qnet.evaluation.manifest import VALIDATE, figures_of, tables_of
from qnet.evaluation.settings import Evaluate
from qnet.predictions import read_predictions, write_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.report import cells, report_data, validation
from workflow.lib.report.cohort import by_group
from workflow.lib.report.html import render
from workflow.lib.study.participants import Participants, to_diagnose


def main(
    results: list[str], warnings: list[str], participants: str, bundle: str, predictions: str, page: str, cfg: dict,
    synthetic: bool, dataset: str, **outputs: str,
) -> None:  # fmt: skip
    """`outputs`: a path for each table and figure of the manifest; `synthetic`: whether the subjects are simulated."""
    model, found = read_bundle(bundle), read_results(results)
    people = to_diagnose(participants, cfg["participants"], list(found)).set_index("participant_id").sort_index()
    people = people.assign(age=people["age"].astype(float))
    write_predictions(predictions, predictions_of(found, people["label"].to_dict()))
    params = replace(Evaluate(**cfg["evaluate"]), threshold=model["threshold"])
    unlike, scores = unlike_training(found), read_predictions(predictions)
    tables = validation_tables(scores, params, people, unlike, model["metrics"])
    paths = {name: outputs[name] for name in tables_of(VALIDATE)}
    for name, path in paths.items():
        write_table(path, tables[name])
    pictures = {name: outputs[name] for name in figures_of(VALIDATE)}
    draw_validation(pictures, scores, tables, params, synthetic=synthetic)

    negative, positive = (group.name for group in Participants(**cfg["participants"]).groups)
    shown, kinds = report_data.read_tables(paths.values()), kinds_of_difference(unlike).to_dict("records")
    about = cfg | {"evaluate": cfg["evaluate"] | {"threshold": params.threshold}}
    render(
        "validation.html.j2", page, tables=shown, figures=report_data.pictures_of(pictures.values(), about),
        captions=report_data.captions_of(about), cells=cells, model=model, kinds=kinds, people=by_group(people),
        warnings=validation.warnings(model, {"negative": negative, "positive": positive}, synthetic, shown, kinds),
        maps=report_data.warnings_of(warnings), subjects=validation.subjects_of(found, people),
        of_decision=validation.of_decision, synthetic=synthetic, dataset=dataset,
    )  # fmt: skip


if __name__ == "__main__":
    with job(snakemake):
        files = dict(snakemake.input.items())
        files = {name: files[name] for name in ("participants", "bundle")} | {
            name: listed(files[name]) for name in ("results", "warnings")
        }
        main(**files, **snakemake.output, **{key: snakemake.params[key] for key in ("cfg", "synthetic", "dataset")})
