"""The demo beside another commit, job by job: `python -m benchmarks.demo --against COMMIT` writes demo.tsv.

Both builds run their default configuration, which simulates the demo's cohort, on two cores in turn, in the environment
of this Python: the same work, without the variant that `config/demo.yaml` adds. Medians are CPU seconds of all jobs of
a rule, their share of the whole, and the peak memory of the largest. Predictions that differ are named, and the exit
status is 1.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.usage import ROOT, checkout, command_usage, compared, project, snakemake

RUN = Path("results/simulated")


def differing(one: Path, other: Path) -> list[str]:
    """Names of the tables of predictions that are not in both runs with the same bytes."""
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("predictions*.tsv")}
    return sorted(
        str(name)
        for name in names
        if not all((folder / name).is_file() for folder in (one, other))
        or (one / name).read_bytes() != (other / name).read_bytes()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both builds in turn, write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--against", required=True, metavar="COMMIT", help="the build to compare with")
    parser.add_argument("--repeats", type=int, default=3, help="of each build; medians count")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    runs: dict[str, list[pd.DataFrame]] = {"before": [], "after": []}
    with tempfile.TemporaryDirectory() as scratch:
        builds = {"before": checkout(chosen.against, Path(scratch) / "code"), "after": ROOT}
        for repeat in range(chosen.repeats):
            for build, code in builds.items():
                folder = project(code, Path(scratch) / f"{build}{repeat}")
                runs[build].append(command_usage(snakemake(), folder))
        unlike = differing(*(Path(scratch) / f"{build}0" / RUN for build in builds))
    table = compared(*runs.values())
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "demo.tsv", sep="\t", float_format="%.3g", na_rep="n/a")
    print(table.to_string(float_format=lambda x: f"{x:.3g}", na_rep=""))
    print("\n".join(f"{name}: expected the same predictions in both builds, found others" for name in unlike))
    return int(bool(unlike))


if __name__ == "__main__":
    sys.exit(main())
