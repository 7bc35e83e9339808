"""A stack of slices and a trained run → what every network says about the scan, and where it sees evidence."""

import json
from pathlib import Path

from qnet.apply import apply_run
from qnet.bundle import read_bundle
from qnet.data import atomic
from qnet.model import prepare_torch
from workflow.lib.log import job_log


def main(stack: str, bundle: str, scores: str, threads: int) -> None:
    """The weights lie beside `bundle`; their checksums are verified."""
    found = apply_run(stack, read_bundle(bundle), Path(bundle).parent, prepare_torch(threads))
    with atomic(scores) as part:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(snakemake.input.stack, snakemake.input.bundle, snakemake.output.scores, snakemake.threads)
