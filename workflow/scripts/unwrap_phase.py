"""Wrapped phase → unwrapped phase per echo, and the mask of voxels whose phase deserves trust."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_mask, write_volume
from recon.mask.trim import reliable_mask
from recon.registry import taken
from recon.unwrap.stage import STAGE, unwrap_phase
from workflow.lib.jobs.job import job


def main(
    phase: str, magnitude: str, mask: str, acquisition: str, unwrapped: str, reliable: str, cfg: dict, threads: int
) -> None:
    volume = read_volume(phase)
    echoes = read_volume(magnitude).data
    facts = Acquisition.read(acquisition)
    trimming = taken(reliable_mask, cfg)
    trusted = reliable_mask(volume.data, echoes, read_mask(mask), facts.te_s, facts.grid, **trimming)
    phase_rad = unwrap_phase(volume.data, trusted, facts.te_s, magnitude=echoes, workers=threads, **STAGE.chosen(cfg))
    write_volume(unwrapped, phase_rad, like=volume)
    write_mask(reliable, trusted, like=volume)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
