"""Simulation settings → participants, BIDS descriptions, true iron and the best result a classifier can expect."""

from dataclasses import asdict

from recon.files.io import write_json, write_text
from recon.files.tables import write_table
from recon.phantom import bids
from recon.phantom.cohort import Simulate, bayes_limit, cohort, oracle_auc
from workflow.lib.jobs.job import job


def main(
    participants: str,
    participants_json: str,
    description: str,
    readme: str,
    truth: str,
    ceiling: str,
    truth_description: str,
    truth_ignore: str,
    cfg: dict,
) -> None:
    settings = Simulate(**cfg)
    people = cohort(settings)
    write_table(participants, bids.participants(people))
    write_json(participants_json, bids.participants_json(settings))
    write_json(description, bids.RAW_DESCRIPTION)
    write_text(readme, bids.README)
    write_table(truth, bids.latents(people, settings))
    limit = bayes_limit(settings.preset, settings.sites)
    write_json(ceiling, limit | {"sample_auc": oracle_auc(people), "settings": asdict(settings)})
    write_json(truth_description, bids.TRUTH_DESCRIPTION)
    write_text(truth_ignore, bids.TRUTH_IGNORE)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.output, cfg=snakemake.params.cfg)
