"""Ratings of scans that somebody has looked at, as the page of a study saves them: who failed, and why.

A table with the columns participant_id, session_id, run_id, rating, reason and rater; only the first and `rating` must
be there. A scan that failed is left out of the diagnosis, one rated `look` or `pass`, or not at all, is not.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from recon.intake.select import Select
from recon.problems import IntakeError, Problem
from workflow.lib.study.participants import read_participants
from workflow.lib.words import first_of

FAIL = "fail"
WORDS = ("pass", "look", FAIL)
COLUMNS = ("participant_id", "session_id", "run_id")  # which together name a scan
LISTED = 3  # names in a message
Ratings = dict[str, dict[str, str]]  # scan → `rating` and `reason`


def read_ratings(path: str | Path | None, scans: Collection[str], select: Select) -> Ratings:
    """Ratings by scan.

    Parameters
    ----------
    path : the table; None where nobody has rated
    scans : names of all scans and subjects of the dataset, usable or not, in the part that `select` takes
    select : rows of participants and sessions that the run is not about do not count

    Raises
    ------
    IntakeError
        The table cannot be read or is of another study; a word is no rating; a scan is rated twice.
    """
    if path is None:
        return {}
    if not Path(path).is_file():
        expected = "the ratings that group.html saves (config, ratings; null: nobody has rated)"
        raise IntakeError([Problem(str(path), expected, "a folder" if Path(path).is_dir() else "none")])
    table = read_participants(path)
    if absent := [name for name in (COLUMNS[0], "rating") if name not in table]:
        raise IntakeError([Problem(str(path), f"a column `{name}`", ", ".join(table.columns)) for name in absent])
    table = table.reindex(columns=[*COLUMNS, "rating", "reason"]).astype(object)
    table = table.where(table.notna(), None)
    if problems := _problems(str(path), table, scans, select):
        raise IntakeError(problems)
    rated = table[table["rating"].notna()]
    return {
        _scan(row): {"rating": row["rating"], "reason": row["reason"] or ""}
        for row in rated.to_dict("records")
        if _scan(row) in scans
    }


def _scan(row: Mapping[str, str | None]) -> str:
    """`sub-01_ses-02_run-1` of a row."""
    return "_".join(row[name] for name in COLUMNS if row[name])


def _problems(path: str, table: pd.DataFrame, scans: Collection[str], select: Select) -> list[Problem]:
    """What is wrong with the rows."""
    wanted = table[[_wanted(row, select) for row in table.to_dict("records")]]
    unknown = [name or "a row without a name" for row in wanted.to_dict("records") if (name := _scan(row)) not in scans]
    words = sorted({word for word in table["rating"].dropna() if word not in WORDS})
    counts = Counter(map(_scan, table.to_dict("records")))
    known = first_of(sorted(scans), LISTED)
    found = [Problem(path, f"ratings of scans of this study ({known})", first_of(unknown, LISTED))] if unknown else []
    found += [Problem(path, f"a rating {', '.join(WORDS[:-1])} or {FAIL}", repr(word)) for word in words]
    return found + [Problem(path, f"one row for {name}", str(n)) for name, n in counts.items() if n > 1]


def _wanted(row: Mapping[str, str | None], select: Select) -> bool:
    """Whether a row is about the part of the dataset that the run processes."""
    return select.takes_subject(row["participant_id"] or "") and select.takes_session(row["session_id"])


def failed(ratings: Ratings) -> dict[str, list[str]]:
    """Why scans are left out of the diagnosis, by name."""
    return {
        scan: [f"rated fail: {given['reason'] or 'no reason given'}"]
        for scan, given in ratings.items()
        if given["rating"] == FAIL
    }


def rated_out(scans: Collection[str], reasons: Mapping[str, list[str]]) -> dict[str, str]:
    """Subjects all of whose usable scans failed, each with the reasons."""
    left = {scan.split("_")[0] for scan in scans if scan not in reasons}
    lost: dict[str, list[str]] = {}
    for scan in sorted(scans):
        if (subject := scan.split("_")[0]) not in left:
            lost.setdefault(subject, []).extend(reasons[scan])
    return {subject: "; ".join(dict.fromkeys(texts)) for subject, texts in lost.items()}
