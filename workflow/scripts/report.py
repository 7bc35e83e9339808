"""Tables, figures, folds and settings → one self-contained HTML report of the cohort."""

import os
from pathlib import Path

from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import versions
from workflow.lib.report import cells, report_data
from workflow.lib.report.cohort import by_fold, by_group, read_people
from workflow.lib.report.html import render


def main(
    tables: list[str], figures: list[str], folds: str, pages: list[str], example: list[str], warnings: list[str],
    report: str,
    cfg: dict, synthetic: bool, flow: dict | None, beside: list[str], versions: dict[str, str],
) -> None:  # fmt: skip
    people, shown = read_people(folds), report_data.read_tables(tables)
    render(
        "report.html.j2",
        report,
        tables=shown,
        figures=report_data.pictures_of(figures, cfg),
        explanations=report_data.explanations(figures, shown, cfg),
        captions=report_data.captions_of(cfg),
        data=report_data,
        cells=cells,
        example=example,
        groups=by_group(people),
        folds=by_fold(people),
        pages={Path(page).stem: os.path.relpath(page, Path(report).parent) for page in pages},
        cfg=cfg,
        synthetic=synthetic,
        flow=report_data.flow_of(flow, people),
        warnings=report_data.warnings_of(warnings),
        beside=beside,
        versions=versions,
    )


if __name__ == "__main__":
    with job(snakemake):
        files = dict(snakemake.input.items())
        files |= {name: listed(files.get(name)) for name in ("tables", "figures", "pages", "example", "warnings")}
        params = {name: snakemake.params[name] for name in ("cfg", "synthetic", "flow", "beside")}
        main(**files, **snakemake.output, **params, versions=versions())
