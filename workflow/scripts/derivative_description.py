"""The files that make derivatives/qnet/ a BIDS dataset: description, README, meaning of suffixes and labels."""

from pathlib import Path

from recon.files.io import write_json, write_text
from recon.regions.shapes import LABELS as LABELS_OF_ALL
from recon.regions.shapes import values_of
from workflow.lib.jobs.job import job
from workflow.lib.record.derivative import ABOUT, IGNORED, LABELS, README, SIDECARS, name_of
from workflow.lib.record.versions import project_version


def main(
    description: str, links: dict[str, str], simulated: bool, licence: str | None = None, nuclei: str = "template",
    drawn: bool = False,
) -> None:  # fmt: skip
    """`links`: where the datasets `raw` and, if any, `user` of the sidecars' Sources lie; `licence`: of `raw`;
    `nuclei`: how they are located; `drawn`: whether users drew some, who may draw all."""
    name = name_of(simulated)
    content = {
        "Name": name,
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Q-Net", "Version": project_version(), "Description": ABOUT}],
        "SourceDatasets": [{"URL": link} for link in links.values()],
        "DatasetLinks": links,  # what bids:raw: stands for in Sources
        "HowToAcknowledge": "Cite the references in methods.md (beside the folder derivatives), which fit this run.",
    }
    if licence:
        content["License"] = licence
    folder = Path(description).parent
    for suffix, meaning in SIDECARS.items():
        write_json(folder / f"{suffix}.json", meaning)
    labels = LABELS_OF_ALL if drawn else values_of(nuclei)
    rows = ["index\tname", *(f"{label}\t{nucleus} {side}" for label, (nucleus, side) in labels.items()), ""]
    write_text(folder / LABELS, "\n".join(rows))  # without pandas, whose import took longer than all else here
    write_text(folder / ".bidsignore", IGNORED)
    write_text(folder / "README", README.format(name=name, version=project_version()))
    write_json(description, content)


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        links, licence = params.links, params.licence
        output, of_nuclei = snakemake.output.description, {"nuclei": params.nuclei, "drawn": params.drawn}
        main(output, links=links, simulated=params.simulated, licence=licence, **of_nuclei)
