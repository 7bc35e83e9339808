"""The files that make derivatives/qnet/ a BIDS dataset."""

from pathlib import Path

from recon.io import write_json
from workflow.lib.log import job_log
from workflow.lib.versions import project_version


def main(description: str, raw: str, simulated: bool) -> None:
    content = {
        "Name": "Q-Net susceptibility, R2* and T1-weighted maps" + (" of a SYNTHETIC cohort" if simulated else ""),
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Q-Net", "Version": project_version(), "Description": "Research use only"}],
        "SourceDatasets": [{"URL": raw}],
        "DatasetLinks": {"raw": raw},  # what bids:raw: stands for in Sources
    }
    write_json(description, content)
    folder = Path(description).parent
    (folder / ".bidsignore").write_text("*_stats.tsv\n", encoding="utf-8")  # a table per nucleus has no name in BIDS
    (folder / "README").write_text(
        f"{content['Name']}\n\nQuantities: susceptibility [ppm], R2* [1/s], T1 [s]. Research use only.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.output, raw=snakemake.params.raw, simulated=snakemake.params.simulated)
