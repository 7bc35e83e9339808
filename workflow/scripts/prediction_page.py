"""Scores of the networks, regional values and facts of a scan → its page and its results as JSON."""

import json
from pathlib import Path

import pandas as pd

from qnet.application.apply_figures import evidence_picture, scores_picture, z_picture
from qnet.application.bundle import plain, read_bundle
from qnet.application.confounds import confounds_of
from qnet.application.judge import judge
from qnet.atomic import atomic
from workflow.lib.jobs.job import job
from workflow.lib.record.versions import project_version
from workflow.lib.report.html import render
from workflow.lib.study.participants import age_of


def main(
    scores: str, stack: str, stats: str, acquisition: str, warnings: str, bundle: str, page: str, result: str,
    scan: str, synthetic: bool, version: str, age_column: str, participants: str | None = None,
) -> None:  # fmt: skip
    """`synthetic`: whether the new scan is simulated; `version`: of the software that made its maps."""
    found, facts, maps = (json.loads(Path(path).read_text("utf-8")) for path in (scores, acquisition, warnings))
    model = read_bundle(bundle)
    age = age_of(participants, scan.split("_")[0], age_column)
    judged = judge(model, found, stats, stack, facts, age, version)
    classes = model["classes"]
    pictures = {
        "evidence": evidence_picture(stack, found["evidence"], classes["positive"], classes["negative"]),
        "scores": scores_picture(pd.DataFrame(found["scores"]), judged.outcomes, model),
        "z": z_picture(judged.z) if len(judged.z) else None,
    }
    render("prediction.html.j2", page, scan=scan, synthetic=synthetic, model=model, judged=judged, pictures=pictures,
           maps=maps["warnings"], confounds=confounds_of(model))  # fmt: skip
    with atomic(result) as part:
        part.write_text(json.dumps(plain({"scan": scan, **judged.as_dict()}), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        keys = {name: snakemake.params[name] for name in ("synthetic", "age_column")}
        main(**snakemake.input, **snakemake.output, **keys, scan=snakemake.wildcards.scan, version=project_version())
