"""What is looked at once, before the first job of a run."""

from pathlib import Path
from typing import Any

from workflow.lib.jobs.cluster_limits import check_cluster
from workflow.lib.planning.stale import tell_stale
from workflow.lib.run import Run
from workflow.lib.setup.process import refusals
from workflow.lib.setup.results_folder import check_writable


def before_first_job(workflow: Any, run: Run) -> None:
    """Refuse what no job could do; tell of results that no longer belong to the data.

    Raises
    ------
    WorkflowError
        The folder of results cannot be written into, or SLURM would refuse the jobs.
    """
    with refusals():
        check_writable(run.paths.root)
    check_cluster(workflow, Path.cwd())
    tell_stale(Path(run.paths.root), run.scans)
