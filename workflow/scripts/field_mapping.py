"""Unwrapped phase → field [ppm] of every echo or of all together, and how precise it is."""

from recon.acquisition import Acquisition
from recon.field.stage import STAGE, field_mapping, field_precision
from recon.files.io import read_mask, read_volume, write_volume
from recon.unwrap.straighten import silenced
from workflow.lib.jobs.job import job


def main(
    unwrapped: str, magnitude: str, reliable: str, singular: str, acquisition: str,
    field: str, precision: str,
    cfg: dict,
) -> None:  # fmt: skip
    facts = Acquisition.read(acquisition)
    phase, mask = read_volume(unwrapped), read_mask(reliable)
    echoes = silenced(read_volume(magnitude).data, read_volume(singular).data > 0)
    write_volume(field, field_mapping(phase.data, echoes, mask, facts, **STAGE.chosen(cfg)), like=phase)
    write_volume(precision, field_precision(echoes, mask, facts.te_s), like=phase)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
