"""Wrapped phase → unwrapped phase per echo, the mask of voxels whose phase deserves trust, and its singular lines."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_mask, write_volume
from recon.mask.trim import reliable_mask
from recon.registry import taken
from recon.unwrap.echoes import unwrap_straightened
from workflow.lib.jobs.job import job


def main(
    phase: str, magnitude: str, mask: str, acquisition: str,
    unwrapped: str, reliable: str, singular: str,
    cfg: dict, threads: int,
) -> None:  # fmt: skip
    volume = read_volume(phase)
    echoes = read_volume(magnitude).data
    facts = Acquisition.read(acquisition)
    trimming = taken(reliable_mask, cfg)
    trusted = reliable_mask(volume.data, echoes, read_mask(mask), facts.te_s, facts.grid, **trimming)
    found = unwrap_straightened(volume.data, echoes, trusted, facts.te_s, facts.voxel_size_mm, cfg, threads)
    write_volume(unwrapped, found.phase_rad, like=volume)
    write_mask(reliable, trusted, like=volume)
    write_mask(singular, found.singular, like=volume)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
