"""The statistics of all scans of a study in one table: long, a row a number, and wide, a row a scan.

The numbers are those of the scans, as text; only the z-scores for age are computed here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from qnet.application.leave_one_out import fit_without_each
from qnet.application.normative import Normative, fit_normative, z_rows
from qnet.regional_means import UNITS
from recon.files.atomic import atomic
from recon.files.io import write_json
from recon.problems import IntakeError
from recon.regions.confidence import DOUBTFUL
from recon.regions.shapes import PARTS
from recon.regions.statistics import BOTH, COLUMNS, DIGITS, NUCLEI, QUANTITIES, STATISTICS, quantity_of
from workflow.lib.study.names import scan_in
from workflow.lib.study.participants import Participants, named, read_participants

MISSING = "n/a"
SCAN_COLUMNS = ["participant_id", "session_id", "run_id"]
NORMED = {"chi": "chi_ppm", "r2star": "r2star_hz"}  # map → its name in qnet.application.normative
GROUPS = ({"L"}, {"R"}, {BOTH, MISSING})  # hemispheres that are fitted together; the last as for a prediction
Z = "z-score of the mean for age, from the controls of this study; a control against the other controls"
HOW_SURE = (
    "0 to 1, from the contrast of susceptibility between nucleus and surround over the spread within both; of both "
    "sides the smaller"
)
MEANINGS = {**STATISTICS, "volume": "volume", "z": Z}
Values = dict[str, dict[str, float]]  # map of qnet.application.normative → region → mean


class Row(NamedTuple):
    """One line of the statistics of a scan, as text."""

    nucleus: str
    hemisphere: str
    map: str
    statistic: str
    value: str
    unit: str
    voxels: str
    confidence: str
    reference: str
    segmentation: str
    flag: str

    @property
    def key(self) -> tuple[str, ...]:
        """What tells the numbers of one scan apart."""
        return self.segmentation, self.nucleus, self.hemisphere, self.map, self.statistic


class Files(NamedTuple):
    """Both tables, and the dictionaries of their columns."""

    long: str
    long_dictionary: str
    wide: str
    wide_dictionary: str


class People(NamedTuple):
    """Age of the subjects [years] and which of them are controls, as far as the participants table tells."""

    ages: dict[str, float]
    controls: set[str]


def read_people(path: str | None, settings: Mapping) -> People:
    """What participants.tsv tells; nothing of a table that cannot be read, as maps need none."""
    try:
        table = named(read_participants(path), Participants(**settings)) if path else pd.DataFrame()
    except IntakeError:
        table = pd.DataFrame()
    if not {"participant_id", "age", "group"} <= set(table):
        return People({}, set())
    table = table[~table["participant_id"].duplicated(keep=False)]
    ages = pd.Series(pd.to_numeric(table["age"], errors="coerce").to_numpy(float), table["participant_id"]).dropna()
    sides = table["group"].map(Participants(**settings).sides)
    return People({str(who): float(age) for who, age in ages.items()}, set(table["participant_id"][sides == 0]))


def write_study_table(
    paths: Sequence[str], people: People, diagnosed: Iterable[str], params: Normative, files: Files
) -> None:
    """Join the statistics of the scans.

    Parameters
    ----------
    paths : statistics of each scan, `…/sub-01[…]_desc-regions_stats.tsv`
    people : ages and controls
    diagnosed : names of the scans, one a subject, that tell what controls have
    params : priors of the norms
    files : what is written
    """
    scans = {scan_in(Path(path).name) or "": path for path in paths}
    columns: dict[tuple[str, ...], Row] = {}  # of the wide table, by key: the first row
    means: dict[str, list[Values]] = {}
    for scan, path in scans.items():
        rows = list(read_rows(path))
        means[scan] = [_means(rows, hemispheres) for hemispheres in GROUPS]
        for row in rows:
            columns.setdefault(row.key, row)
            if sure := _confidence_row(row):
                columns.setdefault(sure.key, sure)
    scores = _all_scores(means, people, set(diagnosed), params)
    for row in [row for row in columns.values() if _is_normed(row)]:
        z = _z_row(row, {})
        columns.setdefault(z.key, z)
    names = column_names(columns.values())
    _write_table(files.long, [*SCAN_COLUMNS, *COLUMNS], _long_lines(scans, scores))
    _write_table(files.wide, [*SCAN_COLUMNS, *names.values()], _wide_lines(scans, scores, names))
    write_json(files.long_dictionary, long_dictionary())
    write_json(files.wide_dictionary, wide_dictionary(columns, names))


Scores = Mapping[str, Mapping[tuple[str, str, str], float]]  # scan → (nucleus, hemisphere, map) → z


def _write_table(path: str, columns: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    with atomic(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines("\t".join(cells) + "\n" for cells in chain([columns], lines))


def _complete_rows(path: str, scores: Mapping[tuple[str, str, str], float]) -> list[Row]:
    """The rows of a scan, at the end those of z."""
    rows = list(read_rows(path))
    return rows + [_z_row(row, scores) for row in rows if _is_normed(row)]


def _long_lines(scans: Mapping[str, str], scores: Scores) -> Iterator[Iterable[str]]:
    for scan, path in scans.items():
        cells = _scan_cells(scan)
        yield from ((*cells, *row) for row in _complete_rows(path, scores.get(scan, {})))


def _wide_lines(scans: Mapping[str, str], scores: Scores, names: Iterable[tuple[str, ...]]) -> Iterator[Iterable[str]]:
    for scan, path in scans.items():
        rows = _complete_rows(path, scores.get(scan, {}))
        values = {row.key: row.value for row in [*rows, *filter(None, map(_confidence_row, rows))]}
        yield (*_scan_cells(scan), *(values.get(key, MISSING) for key in names))


def read_rows(path: str) -> Iterator[Row]:
    """The lines of the statistics of a scan; ValueError where its columns are others."""
    header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    if header.split("\t") != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(header.split())}")
    for line in lines:
        yield Row(*line.split("\t"))


def _scan_cells(scan: str) -> list[str]:
    """Subject, session and run in the name of a scan."""
    labels = {label.split("-")[0]: label for label in scan.split("_")}
    return [labels.get(key, MISSING) for key in ("sub", "ses", "run")]


def _is_normed(row: Row) -> bool:
    return row.segmentation == NUCLEI and row.statistic == "mean" and row.map in NORMED


def _means(rows: Iterable[Row], hemispheres: set[str]) -> Values:
    """Means of the nuclei of some hemispheres."""
    found: Values = {name: {} for name in UNITS}
    for row in rows:
        if _is_normed(row) and row.hemisphere in hemispheres and row.value != MISSING:
            found[NORMED[row.map]][row.nucleus] = float(row.value)
    return found


def _all_scores(means: Mapping[str, list[Values]], people: People, diagnosed: set[str], params: Normative) -> Scores:
    """z by scan and (nucleus, hemisphere, map); a control is left out of what it is compared with."""
    norm = {scan.split("_")[0]: values for scan, values in means.items() if scan in diagnosed}
    controls = {who: values for who, values in norm.items() if who in people.controls and who in people.ages}
    ages = [people.ages[who] for who in controls]
    of_groups = [[values[group] for values in controls.values()] for group in range(len(GROUPS))]
    all_of_them = [fit_normative(ages, values, params) for values in of_groups]
    others = dict(zip(controls, zip(*(fit_without_each(ages, values, params) for values in of_groups), strict=True),
                      strict=True))  # fmt: skip
    scores: dict[str, dict[tuple[str, str, str], float]] = {}
    for scan, values_of_groups in means.items():
        who = scan.split("_")[0]
        if (age := people.ages.get(who)) is None:
            continue
        scores[scan] = {
            (row["region"], hemisphere, row["map"]): row["z"]
            for model, values, hemispheres in zip(others.get(who, all_of_them), values_of_groups, GROUPS, strict=True)
            if model
            for row in z_rows(model, values, age)
            for hemisphere in hemispheres
        }
    return scores


def _z_row(row: Row, scores: Mapping[tuple[str, str, str], float]) -> Row:
    """The z-score that belongs to the row of a mean."""
    z = scores.get((row.nucleus, row.hemisphere, NORMED[row.map]))
    known = z is not None and row.value != MISSING
    return row._replace(statistic="z", unit="1", value=f"{z:.{DIGITS}g}" if known else MISSING)


def _confidence_row(row: Row) -> Row | None:
    """What stands beside every number of a region in the long table, as a number of its own for the wide one."""
    if row.statistic != "volume" or row.confidence == MISSING:
        return None
    return row._replace(statistic="confidence", value=row.confidence, unit="1")


def column_names(rows: Iterable[Row]) -> dict[tuple[str, ...], str]:
    """Key → name of its column in the wide table: `caudate_L_chi_mean`; letters, digits and _, each name once."""
    names: dict[tuple[str, ...], str] = {}
    taken = set(SCAN_COLUMNS)
    for row in rows:
        of_region = [row.nucleus] if row.segmentation == NUCLEI else [row.segmentation, row.nucleus]
        parts = [part for part in (*of_region, row.hemisphere, row.map, row.statistic) if part != MISSING]
        name = "_".join(re.sub(r"[^0-9A-Za-z]+", "_", part).strip("_") for part in parts)
        number, unique = 1, name
        while unique.casefold() in taken:  # "a b" and "a-b"
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique.casefold())
        names[row.key] = unique
    return names


def _of_the_scan() -> dict[str, dict]:
    return {
        "participant_id": {"Description": "Subject, as in participants.tsv"},
        "session_id": {"Description": "Session, n/a where there are none"},
        "run_id": {"Description": "Run, n/a where there are none"},
    }


def long_dictionary() -> dict[str, dict]:
    """Column of the long table → what it holds (BIDS)."""
    bins = ", ".join(f"{name} {q.bin_width:g} {q.unit}" for name, q in QUANTITIES.items() if q.bin_width)
    entropy = {"entropy": f"{STATISTICS['entropy']}; width: {bins}"}
    maps = {name: f"{quantity.meaning} [{quantity.unit}]" for name, quantity in QUANTITIES.items()}
    maps["chi_echoN"] = "magnetic susceptibility from echo N alone [ppm]"
    return _of_the_scan() | {
        "nucleus": {
            "Description": "Nucleus or other region; of the user's own regions the name that the user gave. Where the "
            f"{' and '.join(PARTS)} are labelled, {' and '.join(dict.fromkeys(PARTS.values()))} is their union: its "
            "voxels count in its own rows and in those of its parts"
        },
        "hemisphere": {"Description": "Side", "Levels": {"L": "left", "R": "right", BOTH: "both sides together"}},
        "map": {"Description": "Map, n/a of the volume", "Levels": maps},
        "statistic": {"Description": "Statistic", "Levels": MEANINGS | entropy},
        "value": {"Description": f"Value, {DIGITS} digits that carry meaning, in the unit of the column unit"},
        "unit": {"Description": "Unit of the value"},
        "voxels": {"Description": "Voxels that the value is made from: measured ones, of the volume all"},
        "confidence": {"Description": f"How sure the place of the nucleus is: {HOW_SURE}"},
        "reference": {"Description": "Region whose mean is zero in a map of susceptibility"},
        "segmentation": {"Description": f"{NUCLEI}: desc-nuclei_dseg; otherwise what the user's file is called"},
        "flag": {
            "Description": "thin_slab: less than 60 mm of the brain are covered along B0; doubtful: the confidence is "
            f"below {DOUBTFUL:g}, susceptibility cannot confirm the place of the label"
        },
    }


def wide_dictionary(columns: Mapping[tuple[str, ...], Row], names: Mapping[tuple[str, ...], str]) -> dict[str, dict]:
    """Column of the wide table → what it holds, and its unit (BIDS)."""
    return _of_the_scan() | {name: {"Description": _meaning(columns[key]), "Units": columns[key].unit}
                             for key, name in names.items()}  # fmt: skip


def _meaning(row: Row) -> str:
    """A sentence on a column."""
    side = {"L": "left ", "R": "right ", BOTH: "left and right "}.get(row.hemisphere, "")
    where = f"{side}{row.nucleus}" + (f" of {row.segmentation}" if row.segmentation != NUCLEI else "")
    if row.statistic == "confidence":
        return f"how sure the place of {where} is: {HOW_SURE}"
    if row.map == MISSING:
        return f"{MEANINGS[row.statistic]} of {where}"
    echo = f" from echo {row.map.partition('_echo')[2]} alone" if "_echo" in row.map else ""
    zero = f", relative to {row.reference}" if row.reference not in (MISSING, "none") else ""
    width = quantity_of(row.map)
    bins = f" of {width.bin_width:g} {width.unit}" if row.statistic == "entropy" else ""
    return f"{MEANINGS[row.statistic]}{bins}: {width.meaning}{echo}{zero}, in {where}"
