"""`python -m workflow.stale [ARGUMENTS OF SNAKEMAKE]`: files of scans that are no longer part of a run, one a line."""

import sys
from pathlib import Path

from workflow.lib.planning.dry_run import dry_run
from workflow.lib.planning.stale import stale_files

if __name__ == "__main__":
    with dry_run(sys.argv[1:]) as dag:
        names = dag.workflow.globals
        for files in stale_files(Path(names["P"].root), names["SCANS"]).values():
            print(*files, sep="\n")
