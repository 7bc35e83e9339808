"""Local field [ppm] → susceptibility [ppm], of every echo or of all together."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_volume
from recon.inversion.stage import STAGE, dipole_inversion
from workflow.lib.jobs.job import job


def main(
    local: str,
    eroded: str,
    acquisition: str,
    chi: str,
    cfg: dict,
    threads: int,
    r2star: str | None = None,
    precision: str | None = None,
    magnitude: str | None = None,
) -> None:
    facts = Acquisition.read(acquisition)
    field = read_volume(local)
    chi_ppm = dipole_inversion(
        field.data,
        read_mask(eroded),
        facts.grid,
        r2star_hz=read_volume(r2star).data if r2star else None,
        precision=read_volume(precision).data if precision else None,
        magnitude=read_volume(magnitude).data if magnitude else None,
        workers=threads,
        **STAGE.chosen(cfg),
    )
    write_volume(chi, chi_ppm, like=field)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
