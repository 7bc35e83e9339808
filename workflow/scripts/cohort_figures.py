"""Folds and flow of participants → figure 2 of the paper and a flow diagram."""

from workflow.lib.jobs.job import job
from workflow.lib.report.cohort import read_people
from workflow.lib.report.cohort_figure import cohort as draw_cohort
from workflow.lib.report.flow_figure import participants_flow as draw_flow
from workflow.lib.report.report_data import flow_of


def main(folds: str, cohort: str, participants_flow: str, flow: dict | None, synthetic: bool) -> None:
    people = read_people(folds)
    draw_cohort(cohort, people, synthetic)
    draw_flow(participants_flow, flow_of(flow, people), people, synthetic)


if __name__ == "__main__":
    with job(snakemake):
        params = {name: snakemake.params[name] for name in ("flow", "synthetic")}
        main(snakemake.input.folds, **snakemake.output, **params)
