"""Where each scan was made, as far as the tables of a dataset tell: of a visit, or of a person."""

import os
from collections.abc import Iterable
from pathlib import Path

from recon.intake.scan import Scan
from recon.problems import IntakeError, Problem
from workflow.lib.study.participants import read_participants

SESSION = "session_id"  # column of BIDS


def sites_of_scans(bids_dir: str | Path, scans: Iterable[Scan], site_column: str) -> dict[str, str]:
    """Scan → site, "" where it is unknown.

    The column of sites in `sub-XX/sub-XX_sessions.tsv` tells it of a session; where there is none, that of
    participants.tsv tells it of all scans of the subject.

    Parameters
    ----------
    bids_dir : of the tables
    scans : Iterable of Scan
    site_column : `participants.site_column`

    Raises
    ------
    IntakeError
        With what is wrong with any of the tables.
    """
    people = sites_of_persons(Path(bids_dir, "participants.tsv"), site_column)
    scans = list(scans)
    subjects = list(dict.fromkeys(scan.subject for scan in scans))
    if broken := broken_sessions(bids_dir, subjects, site_column):
        raise IntakeError(list(broken.values()))
    visits = {subject: _of_sessions(_sessions_table(bids_dir, subject), site_column) for subject in subjects}
    found = {}
    for scan in scans:
        session = next((part for part in scan.name.split("_") if part.startswith("ses-")), "")
        found[scan.name] = visits[scan.subject].get(session) or people.get(scan.subject) or ""
    return found


def sites_of_persons(path: str | Path, site_column: str) -> dict[str, str]:
    """Site by subject of participants.tsv; nothing where there is no such table or column.

    IntakeError where it cannot be read.
    """
    if not Path(path).is_file():
        return {}
    table = read_participants(path)
    if not {"participant_id", site_column} <= set(table):
        return {}
    known = table.dropna(subset=["participant_id", site_column])
    return dict(zip(known["participant_id"], known[site_column], strict=True))


def broken_sessions(bids_dir: str | Path, subjects: Iterable[str], site_column: str) -> dict[str, Problem]:
    """What is wrong with the table of sessions of each subject that has one from which no site can be taken."""
    broken = {}
    for subject in subjects:
        try:
            _of_sessions(_sessions_table(bids_dir, subject), site_column)
        except IntakeError as error:
            broken[subject] = error.problems[0]
    return broken


def _sessions_table(bids_dir: str | Path, subject: str) -> Path:
    return Path(bids_dir, subject, f"{subject}_sessions.tsv")


def _of_sessions(path: Path, site_column: str) -> dict[str, str]:
    """Site by session; nothing where there is no such table or column.

    IntakeError where the table cannot be read, or its rows name no session or one session with two sites.
    """
    if not os.path.lexists(path):  # a link to nothing is a table that is lost
        return {}
    table = read_participants(path)
    if site_column not in table:
        return {}
    if SESSION not in table:
        raise IntakeError([Problem(str(path), f"a column `{SESSION}` beside `{site_column}`", ", ".join(table))])
    known = table.dropna(subset=[site_column])[[SESSION, site_column]].drop_duplicates()
    for name in known[SESSION]:
        if not str(name).startswith("ses-"):
            found = f"{name}: write ses-{name}" if name else "no value"
            raise IntakeError([Problem(str(path), f"names that begin with ses- in column `{SESSION}`", found)])
    if (twice := known[SESSION].duplicated()).any():
        name = known[SESSION][twice].iloc[0]
        found = " and ".join(known[site_column][known[SESSION] == name])
        raise IntakeError([Problem(str(path), f"one site of {name} in column `{site_column}`", found)])
    return dict(zip(known[SESSION], known[site_column], strict=True))
