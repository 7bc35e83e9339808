"""Total field → local field [ppm], and the mask that background removal leaves."""

from recon.acquisition import Acquisition
from recon.background.stage import STAGE, local_field
from recon.files.io import read_mask, read_volume, write_mask, write_volume
from workflow.lib.jobs.job import job


def main(
    field: str,
    reliable: str,
    acquisition: str,
    local: str,
    eroded: str,
    cfg: dict,
    threads: int,
    magnitude: str | None = None,
) -> None:
    facts, total = Acquisition.read(acquisition), read_volume(field)
    local_ppm, inner = local_field(
        total.data,
        read_mask(reliable),
        facts.grid,
        magnitude=read_volume(magnitude).data if magnitude else None,
        workers=threads,
        **STAGE.chosen(cfg),
    )
    write_volume(local, local_ppm, like=total)
    write_mask(eroded, inner, like=total)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
