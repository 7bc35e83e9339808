"""What a run would need, before anything runs: `python -m workflow.plan [--json FILE] [arguments of snakemake]`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recon.files.io import write_json
from workflow.lib.planning.plan import free_mb, plan_of
from workflow.lib.planning.plan_text import text


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan; SystemExit where Snakemake refuses the arguments."""
    parser = argparse.ArgumentParser(prog="python -m workflow.plan", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the plan to this file as well")
    chosen, of_snakemake = parser.parse_known_args(arguments)
    plan = plan_of(of_snakemake)
    free = free_mb(Path(plan.dataset))
    if chosen.json:
        content = plan._asdict() | {"rows": [row._asdict() for row in plan.rows], "free_mb": free}
        write_json(chosen.json, content)
    print(text(plan, free), end="")


if __name__ == "__main__":
    main()
