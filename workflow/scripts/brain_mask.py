"""Magnitude of one echo → brain mask; the user's own mask is taken as it is."""

from recon.acquisition import Acquisition
from recon.files.io import Volume, read_volume, write_mask
from recon.mask.stage import BrainMask, choose_echo, choose_tool, extract_brain, volume_ml
from recon.regions.user_maps import user_mask as read_user_mask
from workflow.lib.jobs.job import job


def extracted(volume: Volume, facts: Acquisition, params: BrainMask) -> tuple:
    """The mask that extraction finds, and what its sidecar says."""
    echo = choose_echo(volume.data.shape[3], params.echo)
    found = extract_brain(volume.data[..., echo], facts.voxel_size_mm, params, facts.b0_dir)
    about = {
        "Sources": facts.sources,
        "Tool": choose_tool(params.tool),
        "FractionalIntensityThreshold": found.threshold,
        "Echo": echo + 1,
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
        brain, about = extracted(volume, facts, BrainMask(**cfg))
    size = {"VolumeMl": round(volume_ml(brain, facts.voxel_size_mm), 1)}
    write_mask(mask, brain, volume, {"Type": "Brain", "SkullStripped": True, **about, **size})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, user=snakemake.params.user)
