"""Local field [ppm] → susceptibility [ppm], of every echo or of all together."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_volume
from recon.inversion.stage import DipoleInversion, dipole_inversion
from workflow.lib.jobs.job import job


def main(
    local: str,
    eroded: str,
    precision: str,
    acquisition: str,
    chi: str,
    cfg: dict,
    threads: int,
    r2star: str | None = None,
    magnitude: str | None = None,
) -> None:
    facts = Acquisition.read(acquisition)
    field = read_volume(local)
    chi_ppm = dipole_inversion(
        field.data,
        read_mask(eroded),
        facts.voxel_size_mm,
        facts.b0_dir,
        DipoleInversion(**cfg),
        read_volume(r2star).data if r2star else None,
        read_volume(precision).data,
        read_volume(magnitude).data if magnitude else None,
        threads,
    )
    write_volume(chi, chi_ppm, like=field)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
