"""Echo images and sidecars → magnitude, phase in radians, facts of the acquisition."""

from dataclasses import replace

from recon.files.bids import raw_uri
from recon.files.io import write_volume
from recon.intake.decisions import Decisions
from recon.intake.echoes import PrepareEchoes, prepare_echoes
from recon.intake.series import series_of
from workflow.lib.jobs.job import job
from workflow.lib.study.decided import decided


def main(
    images: list[str], sidecars: list[str], magnitude_4d: str, phase_4d: str, acquisition: str, cfg: dict,
    known: Decisions | None = None,
) -> None:  # fmt: skip
    """`known`: what the check has decided about these very files."""
    series = series_of(images, sidecars)
    magnitude, phase_rad, facts, grid = prepare_echoes(series, PrepareEchoes(**cfg), known)
    write_volume(magnitude_4d, magnitude, like=grid)
    write_volume(phase_4d, phase_rad, like=grid)
    replace(facts, sources=tuple(map(raw_uri, series.files))).write(acquisition)


if __name__ == "__main__":
    with job(snakemake) as sums:
        params = snakemake.params
        known = decided(params.check, sums, params.cfg, params.code)
        main(**snakemake.input, **snakemake.output, cfg=params.cfg, known=known)
