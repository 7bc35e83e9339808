"""State of code, settings and computer, and checksums of what the jobs have read → run.json."""

from pathlib import Path

from recon.files.io import write_json
from workflow.lib.jobs.checksums import raw_inputs
from workflow.lib.jobs.job import job
from workflow.lib.record.run_record import named_inputs
from workflow.lib.record.versions import versions


def main(record: str, state: dict, datasets: dict[str, str], folders: list[str], versions: dict[str, str]) -> None:
    inputs = named_inputs(raw_inputs(Path(record).parent), datasets, folders)
    write_json(record, {"format": "Q-Net run 1", **state, "versions": versions, "inputs": inputs})


if __name__ == "__main__":
    with job(snakemake):
        main(snakemake.output.record, **snakemake.params.made_from, versions=versions())
