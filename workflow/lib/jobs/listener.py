"""Listen to what Snakemake logs about jobs, and write to the terminal between its own messages."""

import logging
import shutil
import threading
from contextlib import suppress
from typing import TextIO

JOBS = {"job_info", "job_started", "job_finished", "job_error", "group_info", "group_error"}
NATIVE = {"progress", *JOBS}  # events that the listeners tell in their own words
CHATTER = "Select jobs to execute"


class Screen:
    """Whole lines, and one line that the next overwrites; whole lines only where the output is no terminal.

    Parameters
    ----------
    stream : where Snakemake writes its messages
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.terminal = stream, stream.isatty()
        self._shown, self._lock = 0, threading.RLock()

    def say(self, text: str) -> None:
        """Write lines that stay."""
        with self._lock:
            self.clear()
            print(text, file=self.stream, flush=True)

    def show(self, text: str) -> None:
        """Write a line that makes room for the next message, cut to the width of the terminal."""
        if not self.terminal:
            return self.say(text)
        with self._lock:
            self.clear()
            text = text[: shutil.get_terminal_size().columns - 1]
            self._shown = len(text)
            print(text, end="", file=self.stream, flush=True)

    def clear(self) -> None:
        """Take back the line that is shown."""
        with self._lock:
            if self._shown:
                print("\r" + " " * self._shown, end="\r", file=self.stream, flush=True)
                self._shown = 0


class Listener(logging.Handler):
    """Hands a record with `event` x to the method `on_x`, if there is one.

    An error in it ends the listening and never the run.
    """

    broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the logger, in any thread, one record at a time."""
        hear = getattr(self, f"on_{getattr(record, 'event', None)}", None)
        if hear is None or self.broken:
            return
        try:
            hear(record)
        except Exception:
            self.broken = True


def failed_command(record: logging.LogRecord) -> bool:
    """Whether a record only says that the command of a job failed, which the listeners report better."""
    return getattr(record, "event", None) == "error" and "CalledProcessError" in str(record.msg)


class Curtain(logging.Filter):
    """Keeps off the terminal what the listeners report more briefly, and clears the progress line for the rest."""

    def __init__(self, screen: Screen, listeners: list[Listener]) -> None:
        super().__init__()
        self.screen, self.listeners = screen, listeners

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal gets the record; all of them once a listener is broken."""
        if not any(listener.broken for listener in self.listeners):
            if getattr(record, "event", None) in NATIVE or failed_command(record):
                return False
            if str(record.msg).startswith(CHATTER):
                return False
        with suppress(OSError):  # a closed stream is for Snakemake to notice
            self.screen.clear()
        return True
