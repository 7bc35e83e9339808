"""`q-net plan [--json FILE] [ARGUMENTS OF SNAKEMAKE]`: what a run would need, before anything runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recon.files.io import write_json
from workflow.cli.snakemake import with_snakefile
from workflow.lib.planning.costs import read_costs
from workflow.lib.planning.measured import finished_jobs
from workflow.lib.planning.missing import missing
from workflow.lib.planning.plan import free_mb, make_plan
from workflow.lib.planning.plan_text import text


def main(words: Sequence[str]) -> None:
    """Print the plan; SystemExit where Snakemake refuses the words."""
    parser = argparse.ArgumentParser(prog="q-net plan", description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", type=Path, help="write the plan to this file as well")
    chosen, of_snakemake = parser.parse_known_args(words)
    found = missing(with_snakefile(of_snakemake))
    runs = sorted(path.parent for path in found.dataset.parent.glob("*/benchmarks"))
    measured = {run.name: finished_jobs(run, found.rules) for run in runs}
    plan, free = make_plan(found, read_costs(), measured), free_mb(found.dataset)
    if chosen.json:
        content = plan._asdict() | {"rows": [row._asdict() for row in plan.rows], "free_mb": free}
        write_json(chosen.json, content)
    print(text(plan, free), end="")
