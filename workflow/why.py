"""`python -m workflow.why [ARGUMENTS OF SNAKEMAKE]`: what a run would do and why; nothing runs."""

import sys
from pathlib import Path

from workflow.lib.planning.dry_run import dry_run
from workflow.lib.planning.stale import tell_stale
from workflow.lib.planning.why import report

if __name__ == "__main__":
    with dry_run(sys.argv[1:]) as dag:
        print(report(dag))
        tell_stale(Path(dag.workflow.globals["P"].root), dag.workflow.globals["SCANS"])
