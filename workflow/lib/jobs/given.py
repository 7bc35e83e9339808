"""What Snakemake gives a script, in the form that its `main` takes."""

from collections.abc import Iterable
from dataclasses import dataclass


def listed(files: str | Iterable[str] | None) -> list[str]:
    """Files of one name as a list: Snakemake gives a single file as plain text, and an absent name as None."""
    return [files] if isinstance(files, str) else list(files or ())


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold of one training run.

    Parameters
    ----------
    input_name : what the networks see, `full` or `crop`
    seed : of the repetition
    number : of the fold
    inner : number of the inner fold; None for the fold itself
    threads : that the job may use
    """

    input_name: str
    seed: int
    number: int
    inner: int | None = None
    threads: int

    @classmethod
    def of(cls, snakemake) -> "Fold":
        """The fold of a job, from its wildcards."""
        given = snakemake.wildcards
        inner = given.get("inner")
        return cls(
            input_name=given["input"],
            seed=int(given.seed),
            number=int(given.fold),
            inner=None if inner is None else int(inner),
            threads=snakemake.threads,
        )
