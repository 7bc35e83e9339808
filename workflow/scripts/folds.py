"""Participants table → folds of subjects."""

from qnet.atomic import atomic
from qnet.folds import Folds, make_folds
from workflow.lib.jobs.job import job
from workflow.lib.study.participants import to_diagnose


def main(participants: str, folds: str, cfg: dict) -> None:
    """`cfg`: sections `folds` and `participants`, and `subjects`, the ids to keep (`sub-01`)."""
    table = to_diagnose(participants, cfg["participants"], cfg["subjects"])
    dealt = make_folds(table, Folds(**cfg["folds"]))
    with atomic(folds) as part:
        dealt.to_csv(part, sep="\t", index=False, na_rep="n/a")


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
