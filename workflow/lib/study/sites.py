"""Where each scan was made, as far as the tables of a dataset tell: of a visit, or of a person."""

from collections.abc import Iterable
from pathlib import Path

from recon.intake.scan import Scan
from workflow.lib.study.participants import SITE, read_participants


def sites_of_scans(bids_dir: str | Path, scans: Iterable[Scan]) -> dict[str, str]:
    """Scan → site, "" where it is unknown.

    A column `site` of `sub-XX/sub-XX_sessions.tsv` tells it of a session; where there is none, that of
    participants.tsv tells it of all scans of the subject.
    """
    people = _column(Path(bids_dir, "participants.tsv"), "participant_id")
    visits: dict[str, dict[str, str]] = {}
    found = {}
    for scan in scans:
        table = Path(bids_dir, scan.subject, f"{scan.subject}_sessions.tsv")
        of_subject = visits.setdefault(scan.subject, _column(table, "session_id"))
        session = next((part for part in scan.name.split("_") if part.startswith("ses-")), "")
        found[scan.name] = of_subject.get(session) or people.get(scan.subject) or ""
    return found


def _column(path: Path, key: str) -> dict[str, str]:
    """Site by the key of a row; nothing where there is no such table or column."""
    if not path.is_file():
        return {}
    table = read_participants(path)
    if not {key, SITE} <= set(table):
        return {}
    return {row[key]: row[SITE] for row in table.to_dict("records") if row[key] and row[SITE]}
