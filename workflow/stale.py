"""`python -m workflow.stale [ARGUMENTS OF SNAKEMAKE]`: files of scans that are no longer part of a run, one a line."""

import sys

from workflow.lib.planning.stale import stale

if __name__ == "__main__":
    for file in stale(sys.argv[1:]):
        print(file)
