"""Magnitude of one echo → brain mask; the user's own mask is taken as it is."""

from recon.acquisition import Acquisition, choose_echo
from recon.files.io import Volume, read_volume, write_mask
from recon.mask.leak import volume_ml
from recon.mask.stage import choose_tool, extract_brain
from recon.regions.user_maps import user_mask as read_user_mask
from workflow.lib.jobs.job import job


def extracted(volume: Volume, facts: Acquisition, cfg: dict) -> tuple:
    """The mask that extraction finds, and what its sidecar says."""
    found = extract_brain(volume.data, facts.grid, **cfg)
    about = {
        "Sources": facts.sources,
        "Tool": choose_tool(cfg["tool"]),
        "FractionalIntensityThreshold": found.threshold,
        "Echo": choose_echo(volume.data.shape[3], cfg["echo"]) + 1,
    }
    return found.mask, about | ({"Note": found.note} if found.note else {})


def main(
    magnitude: str, acquisition: str, mask: str, cfg: dict, user_mask: str | None = None, user: str | None = None
) -> None:
    """`user`: BIDS URI of `user_mask`."""
    volume, facts = read_volume(magnitude), Acquisition.read(acquisition)
    if user_mask:
        brain, about = read_user_mask(user_mask, volume), {"Sources": [user], "Tool": "user"}
    else:
        brain, about = extracted(volume, facts, cfg)
    size = {"VolumeMl": round(volume_ml(brain, facts.voxel_size_mm), 1)}
    write_mask(mask, brain, volume, {"Type": "Brain", "SkullStripped": True, **about, **size})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, user=snakemake.params.user)
