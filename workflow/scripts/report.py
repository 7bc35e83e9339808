"""Tables, figures, folds and settings → one self-contained HTML report of the cohort."""

import json
import os
import re
from pathlib import Path

import pandas as pd

from workflow.lib.cohort import by_fold, by_group
from workflow.lib.html import render
from workflow.lib.log import job_log
from workflow.lib.versions import versions

SIGN = re.compile(r"\bsign\b")  # stands in every warning about the sign of the phase or of susceptibility


def warnings_of(files: list[str]) -> dict[str, list[dict[str, str]]]:
    """Warnings about the maps: those about the sign, which turns every result over, and others."""
    pages = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    found = [{"scan": page["scan"], "text": warning} for page in pages for warning in page["warnings"]]
    sign = [warning for warning in found if SIGN.search(warning["text"])]
    return {"sign": sign, "other": [warning for warning in found if warning not in sign]}


def main(
    table1: str, table2: str, table3: str, delong: str, roc_image: str, roc_scan: str, auc_boxplot: str,
    accuracy: list[str], cams: list[str], folds: str, pages: list[str], example: list[str], warnings: list[str],
    report: str,
    cfg: dict, synthetic: bool, flow: dict | None, versions: dict[str, str],
) -> None:  # fmt: skip
    people = pd.read_csv(folds, sep="\t", dtype={"participant_id": str})
    tables = {"table1": table1, "table2": table2, "table3": table3, "delong": delong}
    render(
        "report.html.j2",
        report,
        tables={name: pd.read_csv(path, sep="\t").to_dict("records") for name, path in tables.items()},
        figures={"roc_image": roc_image, "roc_scan": roc_scan, "auc_boxplot": auc_boxplot},
        accuracy=[row for path in accuracy for row in pd.read_csv(path, sep="\t").to_dict("records")],
        cams=cams,
        example=example,
        groups=by_group(people),
        folds=by_fold(people),
        pages={Path(page).stem: os.path.relpath(page, Path(report).parent) for page in pages},
        cfg=cfg,
        synthetic=synthetic,
        flow=flow,
        warnings=warnings_of(warnings),
        versions=versions,
    )


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        files = dict(snakemake.input.items())
        for name in ("accuracy", "cams", "pages", "example", "warnings"):  # none, one file as plain text, or several
            found = files.get(name, [])
            files[name] = [found] if isinstance(found, str) else list(found)
        params = {name: snakemake.params[name] for name in ("cfg", "synthetic", "flow")}
        main(**files, **snakemake.output, **params, versions=versions())
