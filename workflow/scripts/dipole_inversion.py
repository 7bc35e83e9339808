"""Local field [ppm] → susceptibility [ppm], of every echo or of all together."""

import warnings

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, sidecar_path, write_volume
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
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
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
    notes = dict.fromkeys(str(warning.message) for warning in told if warning.category is UserWarning)
    sidecar_path(chi).unlink(missing_ok=True)  # of a run with other settings
    write_volume(chi, chi_ppm, like=field, sidecar={"Note": "; ".join(notes)} if notes else None)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
