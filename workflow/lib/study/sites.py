"""Where each scan was made, as far as the tables of a dataset tell: of a visit, or of a person."""

from collections.abc import Iterable
from pathlib import Path

from recon.intake.scan import Scan
from workflow.lib.study.participants import read_participants


def sites_of_scans(bids_dir: str | Path, scans: Iterable[Scan], site_column: str) -> dict[str, str]:
    """Scan → site, "" where it is unknown.

    The column of sites in `sub-XX/sub-XX_sessions.tsv` tells it of a session; where there is none, that of
    participants.tsv tells it of all scans of the subject.

    Parameters
    ----------
    bids_dir : of the tables
    scans : Iterable of Scan
    site_column : `participants.site_column`
    """
    people = _column(Path(bids_dir, "participants.tsv"), "participant_id", site_column)
    visits: dict[str, dict[str, str]] = {}
    found = {}
    for scan in scans:
        if scan.subject not in visits:
            table = Path(bids_dir, scan.subject, f"{scan.subject}_sessions.tsv")
            visits[scan.subject] = _column(table, "session_id", site_column)
        session = next((part for part in scan.name.split("_") if part.startswith("ses-")), "")
        found[scan.name] = visits[scan.subject].get(session) or people.get(scan.subject) or ""
    return found


def _column(path: Path, key: str, site_column: str) -> dict[str, str]:
    """Site by the key of a row; nothing where there is no such table or column."""
    if not path.is_file():
        return {}
    table = read_participants(path)
    if not {key, site_column} <= set(table):
        return {}
    return {row[key]: row[site_column] for row in table.to_dict("records") if row[key] and row[site_column]}
