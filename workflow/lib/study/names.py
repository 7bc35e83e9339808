"""How a scan is named: `sub-01_ses-02_run-1` in file names, `sub-01/ses-02` as the folder of its files."""

import re
from pathlib import PurePath

LABEL = "[0-9A-Za-z]+"
FOLDER = f"sub-{LABEL}(?:/ses-{LABEL})?"
SCAN = f"sub-{LABEL}(?:_ses-{LABEL})?(?:_run-{LABEL})?"

_SCAN = re.compile(SCAN)
_FILE = re.compile(rf"({SCAN})_([^.]+)")
_FOLDER = re.compile(rf"(?:^|/)({FOLDER})(?=/)")
_WITHIN = re.compile(rf"(?:^|_)({SCAN})(?:_|$)")


def scan_in(text: str) -> str | None:
    """The first scan that a text names; None where it names none."""
    found = _SCAN.search(text)
    return found and found[0]


def scan_among_words(name: str) -> str | None:
    """The scan in a name of words joined by `_`: `sub-07` of `subject_page_sub-07`; None where there is none."""
    found = _WITHIN.search(name)
    return found and found[1]


def scan_and_suffix(file: str) -> tuple[str, str]:
    """Scan and the rest of the name, without extension, of a scan's file.

    Raises
    ------
    ValueError
        The name does not begin with a scan.
    """
    name = PurePath(file).name
    found = _FILE.match(name)
    if found is None:
        raise ValueError(f"{file}: expected a name that begins with a scan (sub-01_…), found {name}")
    return found[1], found[2]


def folder_in(path: str) -> str | None:
    """The innermost folder of a scan in a path, `sub-01/ses-02`; None where the path has none."""
    found = _FOLDER.findall(path)
    return found[-1] if found else None
