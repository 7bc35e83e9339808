"""Echo images and sidecars → magnitude, phase in radians, facts of the acquisition."""

from dataclasses import replace

from recon.bids import metadata, raw_uri
from recon.echoes import PrepareEchoes, prepare_echoes
from recon.io import read_volume, write_volume
from workflow.lib.log import job_log


def main(
    magnitude: list[str],
    phase: list[str],
    sidecars: list[str],
    magnitude_4d: str,
    phase_4d: str,
    acquisition: str,
    cfg: dict,
) -> None:
    magnitudes = [read_volume(path) for path in magnitude]
    phases = [read_volume(path) for path in phase]
    facts = [metadata(path, sidecars) for path in phase]
    magnitude_data, phase_rad, facts_of_series = prepare_echoes(magnitudes, phases, facts, phase, PrepareEchoes(**cfg))
    write_volume(magnitude_4d, magnitude_data, like=phases[0])
    write_volume(phase_4d, phase_rad, like=phases[0])
    replace(facts_of_series, sources=tuple(map(raw_uri, (*magnitude, *phase)))).write(acquisition)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(
            snakemake.input.magnitude,
            snakemake.input.phase,
            snakemake.input.sidecars,
            **snakemake.output,
            cfg=snakemake.params.cfg,
        )
