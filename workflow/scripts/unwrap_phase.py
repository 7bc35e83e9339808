"""Wrapped phase → unwrapped phase per echo, and the mask of voxels whose phase deserves trust."""

from recon.acquisition import Acquisition
from recon.io import read_mask, read_volume, write_mask, write_volume
from recon.unwrap import UnwrapPhase, reliable_mask, unwrap_phase
from workflow.lib.log import job_log


def main(phase: str, magnitude: str, mask: str, acquisition: str, unwrapped: str, reliable: str, cfg: dict) -> None:
    params = UnwrapPhase(**cfg)
    volume = read_volume(phase)
    trusted = reliable_mask(volume.data, read_volume(magnitude).data, read_mask(mask), params)
    te_s = Acquisition.read(acquisition).te_s
    write_volume(unwrapped, unwrap_phase(volume.data, trusted, te_s, params), like=volume)
    write_mask(reliable, trusted, like=volume)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
