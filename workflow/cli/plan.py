"""`q-net plan [--json FILE] [ARGUMENTS OF SNAKEMAKE]`: what a run would need, before anything runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recon.files.io import write_json
from workflow.cli.snakemake import with_snakefile
from workflow.lib.planning.plan import free_mb, plan_of
from workflow.lib.planning.plan_text import text


def main(words: Sequence[str]) -> None:
    """Print the plan; SystemExit where Snakemake refuses the words."""
    parser = argparse.ArgumentParser(prog="q-net plan", description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", type=Path, help="write the plan to this file as well")
    chosen, of_snakemake = parser.parse_known_args(words)
    plan = plan_of(with_snakefile(of_snakemake))
    free = free_mb(Path(plan.dataset))
    if chosen.json:
        content = plan._asdict() | {"rows": [row._asdict() for row in plan.rows], "free_mb": free}
        write_json(chosen.json, content)
    print(text(plan, free), end="")
