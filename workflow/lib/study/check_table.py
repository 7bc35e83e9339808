"""The check before a run, a row for every scan: as text, as a table and as a page."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recon.files.atomic import atomic
from recon.problems import Problem, printable
from workflow.lib.report.html import filled
from workflow.lib.words import first_of

FACTS = {  # column of the table: its heading
    "form": "form",
    "files": "files",
    "echoes": "echoes",
    "te_ms": "TE [ms]",
    "tr_s": "TR [s]",
    "b0_tesla": "B0 [T]",
    "vendor": "vendor",
    "scanner": "scanner",
    "matrix": "matrix",
    "voxel_size_mm": "voxel [mm]",
    "orientation": "axes",
    "oblique_deg": "oblique [deg]",
    "flip_angles_deg": "flip [deg]",
    "b0_direction": "B0 in voxel axes",
    "phase_units": "phase units",
    "phase_filter": "phase filter",
    "slice_offsets": "slice offsets",
    "slice_chop": "slice chop",
    "phase_sign": "phase sign",
    "chi_echoes": "echoes for chi",
    "mask": "mask",
    "nuclei": "nuclei",
    "t1w": "T1w",
    "b1": "B1 map",
    "regions": "other regions",
}
REASONS = {  # decision: the column that it explains
    "MainField": "b0_tesla",
    "PhaseUnits": "phase_units",
    "PhaseFilter": "phase_filter",
    "SliceOffsets": "slice_offsets",
    "SliceChop": "slice_chop",
    "PhaseSign": "phase_sign",
}
STATUSES = {  # the worst first: what each of them means
    "ERROR": "stops the run",
    "skipped": "left out of the run",
    "maps only": "left out of the diagnosis",
    "note": "usable, but read the notes",
    "OK": "usable",
}
WIDTH = 120  # characters of a line of the text, a wide terminal
MOST = 4  # scans that are listed by name
MISSING = "n/a"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row: a scan, a subject without a usable scan, or with an empty name the dataset itself.

    Parameters
    ----------
    name : `sub-01`, `sub-01_ses-02` …
    status : a key of STATUSES
    group : of the participants table
    facts : what was found and decided, text by column of FACTS
    reasons : why, a sentence by key of REASONS
    notes : warnings that stop nothing
    problems : why the images cannot be used
    table_problems : why the participants table does not let the subject take part in the diagnosis
    maps_only : why the subject takes part in the maps alone, where nothing is wrong
    """

    name: str
    status: str = "OK"
    group: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    table_problems: tuple[Problem, ...] = ()
    maps_only: str = ""

    @property
    def remarks(self) -> list[str]:
        """Problems and notes as they are shown."""
        return [printable(str(remark)) for remark in (*self.problems, *self.table_problems, *self.all_notes)]

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and first of all why there will be maps alone."""
        return (*filter(None, [self.maps_only]), *self.notes)


def status(record: Record, on_error: str) -> str:
    """A key of STATUSES. A problem of the whole dataset cannot be skipped."""
    if record.problems or record.table_problems:
        if on_error == "stop" or not record.name:
            return "ERROR"
        return "skipped" if record.problems or not record.facts else "maps only"
    if record.maps_only:
        return "maps only"
    return "note" if record.notes else "OK"


def row(record: Record) -> dict[str, str]:
    """All that is shown of a record, text by column; MISSING where nothing is known."""
    cells = {
        "scan": record.name or "dataset",
        "status": record.status,
        "group": record.group,
        **{name: record.facts.get(name, "") for name in FACTS},
        **{name: record.reasons.get(name, "") for name in REASONS},
        "notes": " | ".join(record.all_notes),
        "problems": " | ".join(map(str, (*record.problems, *record.table_problems))),
    }
    return {name: printable(cell) or MISSING for name, cell in cells.items()}


def summary(records: Sequence[Record]) -> str:
    """`10 OK, 1 note, 1 ERROR`."""
    counts = Counter(record.status for record in records)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status]) or "nothing found"


def text(records: Sequence[Record]) -> str:
    """What holds for all scans once, a table of what differs, and every problem and note in full."""
    rows = [row(record) for record in records]
    headings = {"scan": "scan", "status": "status", "group": "group", **FACTS}
    shared = {name: rows_of[0] for name in FACTS if len(rows_of := _values(rows, name)) == 1}
    differing = [name for name in headings if name not in shared and _values(rows, name)]
    parts = [
        [f"Check: {summary(records)}"],
        _titled("The same in all scans", [f"{FACTS[name]:<17} {value}" for name, value in shared.items()]),
        *_blocks(rows, {name: headings[name] for name in differing}),
        _titled("Why", _reasons(rows)),
        _titled("Problems and notes", [line for record in records for line in _remarks(record)]),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _values(rows: list[dict[str, str]], name: str) -> list[str]:
    """The different values of a column, without MISSING."""
    return list(dict.fromkeys(cells[name] for cells in rows if cells[name] != MISSING))


def _titled(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _blocks(rows: list[dict[str, str]], headings: dict[str, str]) -> list[list[str]]:
    """Aligned tables of the columns, each begun by the scan's name and not wider than WIDTH where that is possible."""
    widths = {name: max(len(cells[name]) for cells in [headings, *rows]) for name in headings}
    blocks, current = [], ["scan"]
    for name in list(headings)[1:]:
        if len(current) > 1 and sum(widths[n] + 2 for n in [*current, name]) > WIDTH + 2:
            blocks.append(current)
            current = ["scan"]
        current.append(name)
    return [[_line(cells, names, widths) for cells in [headings, *rows]] for names in [*blocks, current]]


def _line(cells: dict[str, str], names: list[str], widths: dict[str, int]) -> str:
    return "  ".join(f"{cells[name]:<{widths[name]}}" for name in names).rstrip()


def _reasons(rows: list[dict[str, str]]) -> list[str]:
    """Every reason once, followed by its scans unless it is everybody's."""
    return [
        f"{heading}: {reason}" + (f" ({first_of(scans, MOST)})" if len(reasons) > 1 else "")
        for heading, reasons in grouped(rows).items()
        for reason, scans in reasons.items()
    ]


def grouped(rows: list[dict[str, str]]) -> dict[str, dict[str, list[str]]]:
    """Decision → reason → the scans that it holds for; reasons that differ only in measured numbers are given once."""
    groups: dict[str, dict[str, list[str]]] = {}
    for name, column in REASONS.items():
        first: dict[tuple[str, str], str] = {}
        scans = groups.setdefault(FACTS[column], {})
        for cells in (cells for cells in rows if cells[name] != MISSING):
            reason = first.setdefault((cells[column], re.sub(r"[-+]?\d[\d.,e]*", "#", cells[name])), cells[name])
            scans.setdefault(reason, []).append(cells["scan"])
    return groups


def _remarks(record: Record) -> list[str]:
    """Name and status, then what is wrong, a line each, so that a message can be copied whole."""
    if not record.remarks:
        return []
    return [f"{row(record)['scan']}: {record.status}", *(f"  - {remark}" for remark in record.remarks)]


def write_all(records: Sequence[Record], folder: Path, dataset: str) -> None:
    """Write check.txt, check.tsv and check.html; a file that would stay the same is left alone."""
    write_text(records, folder / "check.txt")
    write_tsv(records, folder / "check.tsv")
    write_html(records, folder / "check.html", dataset)


def write_text(records: Sequence[Record], path: Path) -> None:
    """Write `text`."""
    _write(path, text(records))


def write_tsv(records: Sequence[Record], path: Path) -> None:
    """Write all columns, tab-separated, n/a where nothing is known (BIDS)."""
    lines = [list(row(Record(name=""))), *(list(row(record).values()) for record in records)]
    table = "".join("\t".join(cells) + "\n" for cells in lines)
    _write(path, table)


def write_html(records: Sequence[Record], path: Path, dataset: str) -> None:
    """Write a self-contained page, the worst rows first."""
    order = sorted(records, key=lambda record: list(STATUSES).index(record.status))
    content = {
        "dataset": dataset,
        "summary": summary(records),
        "rows": [row(record) | {"remarks": record.remarks} for record in order],
        "statuses": STATUSES,
        "reasons": grouped([row(record) for record in records]),
    }
    _write(path, filled("check.html.j2", synthetic=False, **content))


def _write(path: Path, content: str) -> None:
    """Write a text where the file does not hold it already."""
    fresh = content.encode()
    if not path.is_file() or path.read_bytes() != fresh:
        with atomic(path) as part:
            part.write_bytes(fresh)
