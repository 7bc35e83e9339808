"""What a run says at its end of the maps that it made: the scans whose pages warn, each with its first reason."""

import json
from collections.abc import Iterable
from pathlib import Path

from workflow.lib.words import first_of

LISTED = 10  # scans told with their reason
WIDTH = 160  # characters of a line


def told(files: Iterable[str | Path]) -> str:
    """One line a scan that warns, those with a broken map first; empty where none does.

    Parameters
    ----------
    files : the JSON files that the pages' jobs write, see `workflow/scripts/subject_page.py`; absent ones do not count
    """
    pages = [json.loads(path.read_text(encoding="utf-8")) for path in map(Path, files) if path.is_file()]
    warned = sorted((page for page in pages if page["warnings"]), key=lambda page: not page.get("broken"))
    if not warned:
        return ""
    lines = [f"  {_line(page)}" for page in warned[:LISTED]]
    if more := [page["scan"] for page in warned[LISTED:]]:
        lines.append(f"  and {first_of(more, LISTED)}")
    scans = "page of 1 scan warns" if len(warned) == 1 else f"pages of {len(warned)} scans warn"
    return "\n".join([f"The {scans}; look before you use the maps:", *lines])


def _line(page: dict) -> str:
    """Scan, first reason, and how many more there are."""
    first, more = " ".join(page["warnings"][0].split()), len(page["warnings"]) - 1
    end = f" (and {more} more)" if more else ""
    room = WIDTH - len(page["scan"]) - len(end)
    return f"{page['scan']}: {first if len(first) <= room else first[: room - 1].rstrip() + '…'}{end}"
