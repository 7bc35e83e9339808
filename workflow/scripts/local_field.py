"""Unwrapped phase → local field of every echo [ppm], and the mask that background removal leaves."""

import numpy as np

from recon.acquisition import Acquisition
from recon.background import LocalField, local_field
from recon.io import read_mask, read_volume, write_mask, write_volume
from workflow.lib.log import job_log


def main(unwrapped: str, reliable: str, acquisition: str, local: str, eroded: str, cfg: dict, threads: int) -> None:
    facts = Acquisition.read(acquisition)
    phase = read_volume(unwrapped)
    field_ppm = phase.data * facts.ppm_per_rad().astype(np.float32)
    local_ppm, inner = local_field(field_ppm, read_mask(reliable), facts.voxel_size_mm, LocalField(**cfg), threads)
    write_volume(local, local_ppm, like=phase)
    write_mask(eroded, inner, like=phase)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
