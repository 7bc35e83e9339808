"""A stack of slices and a trained run → the scores of every network for the scan, and where it sees evidence."""

import json
from pathlib import Path

from qnet.application.apply import apply_run
from qnet.application.bundle import read_bundle
from qnet.atomic import atomic
from qnet.images.data import participant_of
from qnet.networks.model import prepare_torch
from workflow.lib.jobs.job import job
from workflow.lib.study.participants import age_of


def main(
    stack: str, bundle: str, scores: str, threads: int, age_column: str, participants: str | None = None,
    site: str | None = None, stats: str | None = None,
) -> None:  # fmt: skip
    """The weights are beside `bundle`; their checksums are verified. `site` chooses the windows that were learnt;
    `stats` per nucleus are for heads that read what was located."""
    age = age_of(participants, participant_of(stack), age_column)
    found = apply_run(stack, read_bundle(bundle), Path(bundle).parent, age, prepare_torch(threads), site, stats)
    with atomic(scores) as part:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake):
        files = snakemake.input
        people, params = files.get("participants") or None, snakemake.params
        scores = snakemake.output.scores
        main(files.stack, files.bundle, scores, snakemake.threads, params.age_column, people, params.site,
             files.stats)  # fmt: skip
