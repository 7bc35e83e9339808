"""`python -m workflow.why [ARGUMENTS OF SNAKEMAKE]`: what a run would do and why; nothing runs."""

import sys

from workflow.lib.planning.why import why

if __name__ == "__main__":
    print(why(sys.argv[1:]))
