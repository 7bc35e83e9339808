"""What a run reports while it works: one line of progress, each failed job at once, and all of them at its end."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from workflow.lib.jobs.failed_jobs import FailedJobs, keep_group_messages
from workflow.lib.jobs.failures import summary
from workflow.lib.jobs.listener import Curtain, Screen
from workflow.lib.jobs.page_warnings import told
from workflow.lib.jobs.progress import Progress

# rules of runs that are about the maps
ABOUT_MAPS = {"subject_page", "maps", "report", "predictions_table", "external_validation"}


class Watch:
    """Listens to Snakemake's logger, where Snakemake itself writes to the terminal.

    It leaves the word to Snakemake in dry runs, with `--quiet progress` or `all`, and with `--verbose`.

    Parameters
    ----------
    logger : Snakemake's
    settings : Snakemake's settings of the output; `dryrun`, `verbose` and `quiet` are used
    costs : gives rule → relative seconds of a job, for rules of which no job has finished yet
    """

    def __init__(
        self, logger: logging.Logger, settings: object, costs: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        quiet = {word.name.lower() for word in settings.quiet or ()}
        terminal = next((handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"), None)
        self.listens = not (terminal is None or settings.dryrun or settings.verbose or quiet & {"progress", "all"})
        if not self.listens:
            return
        keep_group_messages()
        self.screen = Screen(terminal.stream)
        self.jobs, self.progress = FailedJobs(self.screen), Progress(self.screen, costs)
        for listener in (self.jobs, self.progress):
            logger.addHandler(listener)
        terminal.addFilter(Curtain(self.screen, [self.jobs, self.progress]))

    def succeeded(self, page_warnings: Callable[[], Iterable[str | Path]]) -> None:
        """Write which scans have pages that warn, after a run that was about maps.

        Parameters
        ----------
        page_warnings : gives the files with what the pages warn of
        """
        if not self.listens:
            return
        with suppress(Exception):  # as below
            if ABOUT_MAPS & set(self.progress.work.planned) and (text := told(page_warnings())):
                self.screen.say("\n" + text)

    def failed(self) -> None:
        """Write the last line of progress, and what went wrong."""
        if not self.listens:
            return
        with suppress(Exception):  # a run must not fail because its summary does
            self.progress.end()
            self.screen.say("\n" + summary(list(self.jobs.failed.values()), self.jobs.others))
