"""Magnitude of one echo → brain mask."""

from recon.acquisition import Acquisition
from recon.io import read_volume, write_mask
from recon.mask import BrainMask, choose_echo, choose_tool, extract_brain, volume_ml
from workflow.lib.log import job_log


def main(magnitude: str, acquisition: str, mask: str, cfg: dict) -> None:
    params = BrainMask(**cfg)
    volume = read_volume(magnitude)
    facts = Acquisition.read(acquisition)
    echo = choose_echo(volume.data.shape[3], params.echo)
    found = extract_brain(volume.data[..., echo], facts.voxel_size_mm, params)
    sidecar = {
        "Type": "Brain",
        "SkullStripped": True,
        "Sources": facts.sources,
        "Tool": choose_tool(params.tool),
        "FractionalIntensityThreshold": found.threshold,
        "Echo": echo + 1,
        "VolumeMl": round(volume_ml(found.mask, facts.voxel_size_mm), 1),
    }
    if found.note:
        sidecar["Note"] = found.note
    write_mask(mask, found.mask, volume, sidecar)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
