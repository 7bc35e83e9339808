"""Magnitude of one echo → brain mask."""

from recon.acquisition import Acquisition
from recon.io import read_volume, write_mask
from recon.mask import BrainMask, brain_mask, choose_echo, choose_tool, volume_ml
from workflow.lib.log import job_log


def main(magnitude: str, acquisition: str, mask: str, cfg: dict) -> None:
    params = BrainMask(**cfg)
    volume = read_volume(magnitude)
    facts = Acquisition.read(acquisition)
    echo = choose_echo(volume.data.shape[3], params.echo)
    brain = brain_mask(volume.data[..., echo], facts.voxel_size_mm, params)
    sidecar = {
        "Type": "Brain",
        "SkullStripped": True,
        "Sources": facts.sources,
        "Tool": choose_tool(params.tool),
        "FractionalIntensityThreshold": params.threshold,
        "Echo": echo + 1,
        "VolumeMl": round(volume_ml(brain, facts.voxel_size_mm), 1),
    }
    write_mask(mask, brain, volume, sidecar)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
