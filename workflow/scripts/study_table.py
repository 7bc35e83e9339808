"""Statistics of every scan and the participants table → one table of the study, long and wide, with dictionaries."""

from qnet.application.normative import Normative
from workflow.lib.jobs.job import job
from workflow.lib.report.study_table import Files, read_people, write_study_table


def main(
    statistics: list[str], long: str, long_dictionary: str, wide: str, wide_dictionary: str, columns: dict,
    norms: dict, diagnosed: list[str], participants: str | None = None,
) -> None:  # fmt: skip
    """`columns`: section `participants`; `norms`: fields of `Normative`; `diagnosed`: one scan of each subject."""
    files = Files(long, long_dictionary, wide, wide_dictionary)
    write_study_table(statistics, read_people(participants, columns), diagnosed, Normative(**norms), files)


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        main(
            **snakemake.input, **snakemake.output, columns=params.columns, norms=params.norms,
            diagnosed=params.diagnosed,
        )  # fmt: skip
