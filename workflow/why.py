"""`python -m workflow.why [ARGUMENTS OF SNAKEMAKE]`: what a run would do and why; nothing runs."""

import sys
from pathlib import Path

from workflow.lib.dry_run import dry_run
from workflow.lib.stale import tell_stale
from workflow.lib.why import report

if __name__ == "__main__":
    with dry_run(sys.argv[1:]) as dag:
        print(report(dag))
        tell_stale(Path(dag.workflow.globals["P"].root), dag.workflow.globals["SCANS"])
