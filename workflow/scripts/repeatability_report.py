"""Statistics of the nuclei of subjects with several scans → how repeatable they are: tables, figure and page."""

import pandas as pd

from qnet.evaluation.agreement_figure import bland_altman
from qnet.evaluation.repeatability import VALUES, agreement_table, overall, pair_table, repeatability_table
from qnet.regional_means import regional_means
from qnet.tables import write_table
from workflow.lib.home import HOME
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.report import cells, report_data
from workflow.lib.report.html import render
from workflow.lib.report.nuclei import labels_of_nuclei
from workflow.lib.study.names import scan_and_suffix

PUBLISHED = HOME / "resources" / "repeatability.tsv"


def main(
    stats: list[str], repeatability: str, agreement: str, pairs: str, figure: str, page: str,
    sites: dict[str, str], cfg: dict, synthetic: bool,
) -> None:  # fmt: skip
    """`sites`: site by scan, "" where it is unknown; `cfg`: the configuration."""
    nuclei, rows = labels_of_nuclei(), []
    for path in stats:
        scan, _ = scan_and_suffix(path)
        for name, means in regional_means(path).items():
            rows += [[scan.split("_")[0], scan, sites[scan], region, name, means.get(region)] for region in nuclei]
    values, confidence = pd.DataFrame(rows, columns=VALUES), cfg["evaluate"]["confidence"]
    of_pairs = pair_table(values)
    tables = {
        repeatability: repeatability_table(values, confidence),
        agreement: agreement_table(of_pairs, confidence),
        pairs: of_pairs,
    }
    for path, table in tables.items():
        write_table(path, table)
    found = overall(tables[repeatability])
    bland_altman(figure, of_pairs, found, synthetic)
    render(
        "repeatability.html.j2", page, tables=report_data.read_tables(tables), cells=cells, dataset=cfg["dataset"],
        captions=report_data.captions_of(cfg), figures=report_data.pictures_of([figure], cfg), overall=found,
        published=report_data.read_rows(PUBLISHED), sites=sites, synthetic=synthetic,
        site_column=cfg["participants"]["site_column"], persons=values["subject"].nunique(),
    )  # fmt: skip


if __name__ == "__main__":
    with job(snakemake):
        params = {name: snakemake.params[name] for name in ("sites", "cfg", "synthetic")}
        main(listed(snakemake.input.stats), **snakemake.output, **params)
