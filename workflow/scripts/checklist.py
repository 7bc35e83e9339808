"""Settings, folds, flow and tables of a run → the checklists TRIPOD+AI, CLAIM and PROBAST+AI as a table and a page.

Of an external validation likewise, from participants, flow, tables and the bundle of the trained run.
"""

from pathlib import Path

from qnet.application.bundle import read_bundle
from qnet.predictions import read_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report.checklist import VALIDATION, checklist, facts, validation_facts
from workflow.lib.report.cohort import read_people
from workflow.lib.report.html import render
from workflow.lib.report.report_data import flow_of, read_tables
from workflow.lib.study.participants import to_diagnose


def main(
    tables: list[str], table: str, page: str, cfg: dict, synthetic: bool, flow: dict | None, versions: dict[str, str],
    folds: str = "", predictions: str = "", participants: str = "", bundle: str = "",
) -> None:  # fmt: skip
    """Of a study its `folds`; of a validation `predictions`, `participants` and the `bundle` of the trained run."""
    if bundle:
        judged = sorted(set(read_predictions(predictions)["participant_id"]))
        people = to_diagnose(participants, cfg["participants"], judged)
    else:
        people = read_people(folds)
    about = cfg, people, flow_of(flow, people), read_tables(tables), versions, synthetic
    items = checklist(validation_facts(*about, read_bundle(bundle)), VALIDATION) if bundle else checklist(facts(*about))
    write_table(table, items)
    render(
        "checklist.html.j2", page, items=items.to_dict("records"), dataset=cfg["dataset"], synthetic=synthetic,
        validation=bool(bundle), table=Path(table).name,
    )  # fmt: skip


if __name__ == "__main__":
    with job(snakemake):
        params = {name: snakemake.params[name] for name in ("cfg", "synthetic", "flow")}
        names = ("folds", "predictions", "participants", "bundle")
        files = {name: file for name in names if (file := snakemake.input.get(name))}
        main(listed(snakemake.input.tables), **files, **snakemake.output, **params, versions=versions())
