"""What the pages of all scans found → the page of the study, its numbers as a table, and what the columns mean."""

from recon.check.outliers import LEAST_SCANS, LIMIT
from recon.files.io import read_json, write_json
from recon.files.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.report.group import dictionary_of, group_of, table_of
from workflow.lib.report.html import render
from workflow.lib.study.ratings import WORDS


def main(
    facts: list[str], page: str, table: str, dictionary: str, dataset: str, synthetic: bool,
    ratings: dict[str, dict[str, str]],
) -> None:  # fmt: skip
    """`facts`: one JSON file a scan; `ratings`: by scan, with `rating` and `reason`, as the run has read them."""
    group = group_of(read_json(path) for path in facts)
    write_table(table, table_of(group).round(6))
    write_json(dictionary, dictionary_of())
    about = {"limit": LIMIT, "least_scans": LEAST_SCANS, "words": WORDS, "dataset": dataset, "synthetic": synthetic}
    shown = {row.scan: ratings[row.scan] for row in group.rows if row.scan in ratings}
    render("group.html.j2", page, group=group, ratings=shown, **about)


if __name__ == "__main__":
    with job(snakemake):
        params = {name: snakemake.params[name] for name in ("dataset", "synthetic", "ratings")}
        main(listed(snakemake.input.facts), **snakemake.output, **params)
