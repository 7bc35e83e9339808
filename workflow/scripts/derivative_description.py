"""The files that make derivatives/qnet/ a BIDS dataset: description, README, meaning of suffixes and labels."""

from pathlib import Path

import pandas as pd

from recon.io import write_json
from recon.nuclei import nucleus_labels
from recon.tables import write_table
from workflow.lib.log import job_log
from workflow.lib.versions import project_version

README = """# {name}

Made by Q-Net {version} from raw multi-echo gradient echo images. Research use only: not a medical device.

- `Chimap`: magnetic susceptibility [ppm], positive where paramagnetic (iron); `Reference` in the sidecar says what
  is zero. `desc-echoN_Chimap`: that of echo N alone, without reference.
- `R2starmap` [1/s] and `desc-misfit_R2starmap`, how well one exponential describes the decay.
- `desc-stage_T1w` [arbitrary units]; `T1map` [s] and `PDmap` [arbitrary units] where two flip angles were acquired.
- `desc-brain_mask`; `desc-nuclei_dseg`, deep grey nuclei named in `desc-nuclei_dseg.tsv`; `label-BG_mask`, the box
  around the basal ganglia; `desc-nuclei_stats.tsv`, statistics of every nucleus and of white matter.

All maps lie on the grid of the echo images and are zero outside the brain. Every sidecar names its `Sources`; that of
`Chimap` also says what was decided about the scanner's phase values and why.
"""
ON_THE_GRID = {"SpatialReference": "orig"}
SIDECARS = {  # at the root, where every image of the suffix inherits them; only of maps that every scan has
    "Chimap": {"Description": "Magnetic susceptibility, positive where paramagnetic"},
    "desc-stage_T1w": {"Description": "First echo, T1-weighted"},
    "desc-brain_mask": {"Description": "Brain", **ON_THE_GRID},
    "desc-nuclei_dseg": {"Description": "Deep grey nuclei", **ON_THE_GRID},
    "label-BG_mask": {"Description": "Box around the basal ganglia and thalamus", **ON_THE_GRID},
}


def main(description: str, links: dict[str, str], simulated: bool) -> None:
    """`links`: where the datasets `raw` and, if any, `user` of the sidecars' Sources lie."""
    name = "Q-Net susceptibility, R2* and T1-weighted maps" + (" of a SYNTHETIC cohort" if simulated else "")
    about = "Maps from multi-echo gradient echo images. Research use only"
    content = {
        "Name": name,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Q-Net", "Version": project_version(), "Description": about}],
        "SourceDatasets": [{"URL": link} for link in links.values()],
        "DatasetLinks": links,  # what bids:raw: stands for in Sources
        "HowToAcknowledge": "Cite what methods.md, beside the folder derivatives, lists for this very configuration.",
    }
    folder = Path(description).parent
    for suffix, meaning in SIDECARS.items():
        write_json(folder / f"{suffix}.json", meaning)
    rows = [(label, f"{nucleus} {side}") for label, (nucleus, side) in nucleus_labels().items()]
    write_table(folder / "desc-nuclei_dseg.tsv", pd.DataFrame(rows, columns=["index", "name"]))
    (folder / ".bidsignore").write_text("*_stats.tsv\n", encoding="utf-8")  # statistics have no name in BIDS
    (folder / "README").write_text(README.format(name=name, version=project_version()), encoding="utf-8")
    write_json(description, content)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.output, links=snakemake.params.links, simulated=snakemake.params.simulated)
