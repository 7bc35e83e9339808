"""Settings, folds, flow and tables of a run → the checklists TRIPOD+AI, CLAIM and PROBAST+AI as a table and a page."""

from recon.files.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report.checklist import checklist, facts
from workflow.lib.report.cohort import read_people
from workflow.lib.report.html import render
from workflow.lib.report.report_data import flow_of, read_tables


def main(
    folds: str, tables: list[str], table: str, page: str,
    cfg: dict, synthetic: bool, flow: dict | None, versions: dict[str, str],
) -> None:  # fmt: skip
    people = read_people(folds)
    found = facts(cfg, people, flow_of(flow, people), read_tables(tables), versions, synthetic)
    items = checklist(found)
    write_table(table, items)
    render("checklist.html.j2", page, items=items.to_dict("records"), dataset=cfg["dataset"], synthetic=synthetic)


if __name__ == "__main__":
    with job(snakemake):
        params = {name: snakemake.params[name] for name in ("cfg", "synthetic", "flow")}
        main(
            snakemake.input.folds,
            listed(snakemake.input.tables),
            **snakemake.output,
            **params,
            versions=versions(),
        )
