"""Participants table → folds of subjects."""

from qnet.atomic import atomic
from qnet.folds import Folds, Participants, make_folds, read_participants
from workflow.lib.jobs.job import job


def main(participants: str, folds: str, cfg: dict) -> None:
    """`cfg`: sections `folds` and `participants`, and `subjects`, the ids to keep (`sub-01`)."""
    table = read_participants(participants, cfg["subjects"])
    dealt = make_folds(table, Folds(**cfg["folds"]), Participants(**cfg["participants"]))
    with atomic(folds) as part:
        dealt.to_csv(part, sep="\t", index=False)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
