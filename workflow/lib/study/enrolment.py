"""Checks of participants.tsv before any job: every diagnosed subject has a row and one of two groups."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from qnet.folds import GROUPED, LEAVE_ONE_SITE_OUT, STRATIFIED, Folds, make_folds, one_site_out_fails
from qnet.harmonise import COMBAT, Combat, notes, plan
from recon.problems import IntakeError, Problem, as_yaml, config_line, to_type
from workflow.lib.home import HOME
from workflow.lib.setup.command_line import INTEGER
from workflow.lib.setup.config import validator
from workflow.lib.study.participants import (
    UNKNOWN_AGE,
    Group,
    Participants,
    labelled,
    named,
    read_participants,
)

SCHEMA = HOME / "workflow" / "schemas" / "participants.schema.yaml"
LEFT_OUT = "leaves the subject out, the diagnosis does not"
Problems = dict[str, list[Problem]]


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What participants.tsv means for the diagnosis.

    Parameters
    ----------
    problems : what keeps subjects out, by subject, and under "" what is wrong with the table as a whole
    maps_only : why a subject takes part in the maps alone where nothing is wrong: its group does not count
    notes : what is said of a subject that takes part, and under "" of the table as a whole
    labels : label by subject, as the file has it
    has_groups : whether there is a table that says more than who took part, as the one that DICOM conversion begins
        does not
    has_sites : whether it tells the site of anybody
    """

    problems: Problems
    maps_only: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    has_groups: bool = True
    has_sites: bool = False


def enrol(
    path: Path,
    subjects: Sequence[str],
    settings: Mapping,
    folds: int,
    scheme: str = STRATIFIED,
    seed: int = 0,
    combat: Mapping | None = None,
    *,
    rated_out: Collection[str] = (),
) -> Enrolment:
    """Look who can be diagnosed.

    Parameters
    ----------
    path : participants.tsv
    subjects : those with usable images, `sub-01`
    settings : config section `participants`
    folds : number of folds, at most the smaller group's number of subjects; 1 where nothing is trained
    scheme : `folds.scheme`, which may need a site of everybody, or families
    seed : `folds.seed`: whether families fill all folds depends on it
    combat : config section `combat` where sites are harmonised
    rated_out : subjects that take no part because somebody has rated their scans: their rows are not judged
    """
    if not path.is_file():
        expected = "a participants table for the diagnosis (target `maps` needs none)"
        found = "a folder" if path.is_dir() else "none"
        return Enrolment(problems={"": [Problem(str(path), expected, found)]}, has_groups=False)
    try:
        raw = read_participants(path)
    except IntakeError as error:
        return Enrolment(problems={"": list(error.problems)})
    columns = Participants(**settings)
    table, has_groups = named(raw, columns), list(raw.columns) != ["participant_id"]
    labels = _labels(table)
    needed = _needed(scheme, combat)
    missing = list(_missing_columns(path, raw, columns, needed))
    if missing:
        return Enrolment(problems={"": missing}, labels=labels, has_groups=has_groups)
    subjects = [subject for subject in subjects if subject not in rated_out]
    params = Folds(scheme=scheme, folds=folds, seed=seed)
    found = _of_rows(path, table, subjects, columns, params, needed, labels, rated_out)
    if combat is None or found.problems.get(""):
        return found
    diagnosed = [subject for subject in subjects if subject not in {*found.problems, *found.maps_only}]
    taking_part = table[table["participant_id"].isin(diagnosed)].reset_index(drop=True)
    return _with_harmonisation(found, path, labelled(taking_part, columns), columns, params, Combat(**combat))


def of_subjects(enrolment: Enrolment, wanted: Callable[[str], bool]) -> Enrolment:
    """The same without what is said of subjects that the run is not about."""
    problems = {name: found for name, found in enrolment.problems.items() if not name or wanted(name)}
    return replace(enrolment, problems=problems)


def with_notes(enrolment: Enrolment, more: Mapping[str, str]) -> Enrolment:
    """The same with further notes, a text by subject."""
    notes = {
        name: f"{enrolment.notes[name]}; {note}" if name in enrolment.notes else note for name, note in more.items()
    }
    return replace(enrolment, notes=enrolment.notes | notes)


def _labels(table: pd.DataFrame) -> dict[str, str]:
    if not {"participant_id", "group"} <= set(table):
        return {}
    known = table.dropna(subset=["participant_id", "group"])
    return dict(zip(known["participant_id"], known["group"], strict=True))


def _needed(scheme: str, combat: Mapping | None) -> dict[str, str]:
    """Optional column that must be there → why."""
    column = {LEAVE_ONE_SITE_OUT: "site", GROUPED: "family"}.get(scheme)
    stratified = f"{to_type('folds.scheme', STRATIFIED)} needs none"
    by_scheme = {column: f"as folds.scheme is {scheme} ({stratified})"} if column else {}
    return ({"site": f"as harmonisation is {COMBAT} (none needs none)"} if combat else {}) | by_scheme


def _with_harmonisation(
    found: Enrolment, path: Path, people: pd.DataFrame, columns: Participants, params: Folds, combat: Combat
) -> Enrolment:
    """The same with what is said of the sites to be harmonised, or why they cannot be."""
    where = f"column `{columns.site_column}`"
    try:
        said = notes(plan(make_folds(people, params), combat))
    except ValueError as error:
        return replace(found, problems=found.problems | {"": [of_message(f"{path}, {where}", str(error))]})
    if not said:
        return found
    before = [found.notes[""]] if "" in found.notes else []
    told = f"{path.name}, {where}: harmonisation: {'; '.join(said)}"
    return replace(found, notes=found.notes | {"": ". ".join([*before, told])})


def _missing_columns(
    path: Path, raw: pd.DataFrame, columns: Participants, needed: Mapping[str, str]
) -> Iterable[Problem]:
    if len(raw.columns) == 1 and "participant_id" not in raw:
        yield Problem(str(path), "a table with tabs between its columns", str(raw.columns[0]))
        return
    for name, column in (columns.columns | {name: columns.optional[name] for name in needed}).items():
        if column not in raw:
            setting = "" if name == "participant_id" else f" (participants.{name}_column)"
            setting += ", n/a where it is unknown" if name in ("age", "sex") else ""
            setting += f", {needed[name]}" if name in needed else ""
            line = to_type(f"participants.{name}_column", _alike(column, raw.columns))
            advice = f"rename one to {column}" if name == "participant_id" else f"under another name: {line}"
            yield Problem(str(path), f"a column `{column}`{setting}", f"{', '.join(raw.columns)} ({advice})")


def _alike(column: str, others: Iterable[str]) -> str:
    """The one of the table's columns that is called likewise but for capitals, as YAML writes it; else `NAME`."""
    return next((as_yaml(other) for other in others if other.casefold() == column.casefold()), "NAME")


def _of_rows(
    path: Path,
    table: pd.DataFrame,
    subjects: Sequence[str],
    columns: Participants,
    params: Folds,
    needed: Mapping[str, str],
    labels: dict[str, str],
    rated_out: Collection[str],
) -> Enrolment:
    """The same for a table that has all columns."""
    aside = table["group"].notna() & ~table["group"].isin(columns.sides)
    named_two = columns.lists or all(table["group"].isin(group.labels).any() for group in columns.groups)
    counted = table[~aside & ~table["participant_id"].isin(rated_out)]
    misspelt = counted["participant_id"].isin(_misspelt(table, subjects))
    found = [
        *_presence(path, table, counted, subjects),
        *_duplicates(path, table),
        *_contents(path, counted[~misspelt], columns),
        *(_without_site(path, counted, columns, needed["site"]) if "site" in needed else ()),
    ]
    problems: Problems = {}
    for subject, problem in found:
        problems.setdefault(subject, []).append(problem)
    usable = counted[~misspelt & ~counted["participant_id"].isin(problems)]
    if aside.any() and not named_two:
        wrong = [_unknown_groups(path, table, columns)]
    else:
        wrong = _not_dealt(path, usable, columns, params)
    if wrong:
        problems[""] = problems.get("", []) + wrong
    others = set(table["participant_id"][aside]) - set(problems) if named_two else set()
    sides = "in neither list of labels" if columns.lists else f"neither {' nor '.join(columns.sides)}"
    maps_only = {s: f"group {labels[s]} is {sides}" for s in subjects if s in others}
    taking_part = usable[usable["participant_id"].isin(subjects)]
    notes = _unknown(counted, subjects, columns) | _of_sites(path, taking_part, columns)
    has_sites = "site" in table and bool(table["site"].notna().any())
    return Enrolment(problems=problems, maps_only=maps_only, notes=notes, labels=labels, has_sites=has_sites)


def _not_dealt(path: Path, usable: pd.DataFrame, columns: Participants, params: Folds) -> list[Problem]:
    """Why the subjects without problems cannot be dealt into folds; nothing where they can."""
    if params.scheme == LEAVE_ONE_SITE_OUT:
        return _few(path, usable, columns.groups, 1) or _sites(path, usable, columns, params.folds)
    few = _few(path, usable, columns.groups, params.folds)
    return few or (_families(path, usable, columns, params) if params.scheme == GROUPED else [])


def _unknown(counted: pd.DataFrame, subjects: Sequence[str], columns: Participants) -> dict[str, str]:
    """A note for every diagnosed subject whose age is no number, or whose sex is missing, as BIDS allows it."""
    people = counted[counted["participant_id"].isin(subjects)].set_index("participant_id")
    ages = people["age"].fillna("n/a")
    notes: dict[str, list[str]] = {}
    for subject, age in ages[ages.str.fullmatch(f"n/a|{UNKNOWN_AGE}")].items():
        of_age = "what needs age (confounding by age, norms of controls)"
        notes[subject] = [f"no number of years in column `{columns.age_column}` ({age}): {of_age} {LEFT_OUT}"]
    for subject in people.index[people["sex"].isna()]:
        of_sex = "what needs sex (confounding by sex)"
        notes.setdefault(subject, []).append(f"no value in column `{columns.sex_column}` (n/a): {of_sex} {LEFT_OUT}")
    return {subject: "; ".join(of_subject) for subject, of_subject in notes.items()}


def _without_site(path: Path, counted: pd.DataFrame, columns: Participants, why: str) -> Iterable[tuple[str, Problem]]:
    """Subjects of unknown site, where each needs one."""
    expected = f"a site in column `{columns.site_column}`, {why}"
    unknown = counted["participant_id"][counted["site"].isna()].dropna()
    return ((subject, Problem(f"{path}, {subject}", expected, "no value")) for subject in unknown)


def _sites(path: Path, usable: pd.DataFrame, columns: Participants, folds: int) -> list[Problem]:
    """Why the sites cannot be the folds."""
    message = one_site_out_fails(usable["site"], usable["group"].map(columns.sides), folds)
    return [of_message(f"{path}, column `{columns.site_column}`", message)] if message else []


def _families(path: Path, usable: pd.DataFrame, columns: Participants, params: Folds) -> list[Problem]:
    """Why families cannot be dealt: too few have members in a group, or some are too large to leave each fold both."""
    where = f"{path}, column `{columns.family_column}`"
    family = usable["family"].fillna(usable["participant_id"] + " alone")
    sizes = {group.name: family[usable["group"].isin(group.labels)].nunique() for group in columns.groups}
    if min(sizes.values()) < params.folds:
        found = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        expected = f"members of at least {params.folds} families in each group (folds), as folds.scheme is {GROUPED}"
        return [Problem(where, expected, found + _fewer(min(sizes.values())))]
    try:
        make_folds(labelled(usable, columns), params)
    except ValueError as error:
        return [of_message(where, str(error).removeprefix("folds: "))]
    return []


def of_message(where: str, message: str) -> Problem:
    """`expected …, found …` as a problem of a place."""
    expected, found = message.removeprefix("expected ").split(", found ", 1)
    return Problem(where, expected, found)


def _of_sites(path: Path, usable: pd.DataFrame, columns: Participants) -> dict[str, str]:
    """A note of the table as a whole where a site cannot be judged by itself, and what still is."""
    if "site" not in usable or usable["site"].isna().all():
        return {}
    found, both = [], 0
    for site, members in usable.dropna(subset=["site"]).groupby("site"):
        sizes = members["group"].map(columns.sides).value_counts()
        names = [columns.groups[side].name for side in sizes.index]
        both += len(names) > 1
        if len(members) == 1:
            found.append(f"site {site} has one subject ({names[0]})")
        elif len(names) == 1:
            found.append(f"site {site} has {names[0]} alone ({len(members)})")
    if unknown := int(usable["site"].isna().sum()):
        found.append(f"{unknown} of unknown site")
    if not found:
        return {}
    still = "their AUC within the site cannot be computed; they are diagnosed and count in all other results"
    if not both and usable["site"].nunique() > 1:
        still += ". NO SITE HAS BOTH GROUPS: no result of this study can tell the disease from the site"
    return {"": f"{path.name}, column `{columns.site_column}`: {'; '.join(found)}: {still}"}


def _presence(
    path: Path, table: pd.DataFrame, counted: pd.DataFrame, subjects: Sequence[str]
) -> Iterable[tuple[str, Problem]]:
    """Subjects of the two groups without images, and images of nobody in the table."""
    listed, scanned = set(counted["participant_id"].dropna()), set(subjects)
    absent = scanned - set(table["participant_id"])
    meant = _meant(absent, set(table["participant_id"].dropna()) - scanned)
    imageless = sorted(listed - scanned - set(meant.values()))
    yield from ((s, Problem(str(path), f"usable images of {s}", "none")) for s in imageless)
    found = {s: f"{meant[s]}: write {s}" if s in meant else "none" for s in sorted(absent)}
    yield from ((s, Problem(str(path), f"a row for {s}", row)) for s, row in found.items())


def _misspelt(table: pd.DataFrame, subjects: Sequence[str]) -> set[str]:
    """Names of rows that mean a subject and are told with it."""
    rows = set(table["participant_id"].dropna())
    return set(_meant(set(subjects) - rows, rows - set(subjects)).values())


def _meant(subjects: Collection[str], rows: Collection[str]) -> dict[str, str]:
    """Subject → the one row that means it, but for `sub-`, capitals or zeros: `sub-01` → `1`."""

    def plain(name: str) -> str:
        return name.strip().casefold().removeprefix("sub").lstrip("-_ 0")

    candidates = {subject: [row for row in rows if plain(row) == plain(subject)] for subject in subjects}
    chosen = {subject: same[0] for subject, same in candidates.items() if len(same) == 1}
    return {subject: row for subject, row in chosen.items() if list(chosen.values()).count(row) == 1}


def _duplicates(path: Path, table: pd.DataFrame) -> Iterable[tuple[str, Problem]]:
    counts = table["participant_id"].value_counts(sort=False)
    return ((s, Problem(str(path), f"one row for {s}", f"{n}")) for s, n in counts[counts > 1].items())


def _contents(path: Path, counted: pd.DataFrame, columns: Participants) -> Iterable[tuple[str, Problem]]:
    """Cells that the schema does not allow, by subject; a row without a name belongs to the table as a whole."""
    rules = validator(SCHEMA).schema["properties"]
    for row in counted.to_dict("records"):
        subject = row["participant_id"] or ""
        for error in sorted(validator(SCHEMA).iter_errors(row), key=lambda error: list(rules).index(error.path[0])):
            name = error.path[0]
            expected = f"{rules[name]['description']} in column `{columns.columns[name]}`"
            where = f"{path}, {subject}" if subject else str(path)
            shown = _label(row[name]) if name == "participant_id" else row[name]
            remedy = ", n/a where it is unknown" if name == "age" else ""
            yield subject, Problem(where, expected + remedy, shown or "no value")


def _label(text: str | None) -> str | None:
    """A participant_id that is none, as a message shows it: what to write where only the prefix lacks."""
    return f"{text}: write sub-{text}" if text and re.fullmatch("[0-9A-Za-z]+", text) else text


def _unknown_groups(path: Path, table: pd.DataFrame, columns: Participants) -> Problem:
    """More or other groups than the two that are diagnosed: which there are, and what to write."""
    sizes = table["group"].value_counts().sort_index()
    found = ", ".join(f"{label} ({size})" for label, size in sizes.items())
    expected = f"the two groups {' and '.join(columns.sides)} in column `{columns.group_column}`"
    return Problem(str(path), expected, f"{found}{_advice(list(sizes.index), columns)}")


def _advice(labels: list[str], columns: Participants) -> str:
    """`: name the two, for example --config …`, with labels of the table, on their sides where these are known."""
    controls, patients = (next((label for label in group.labels if label in labels), None) for group in columns.groups)
    rest = [label for label in labels if label not in (controls, patients)]
    sides = [side or rest.pop(0) for side in (controls, patients) if side or rest]
    if len(sides) < 2:
        return ""
    few = len(labels) == 2
    keys = ("negative_label", "positive_label") if few else ("negative_labels", "positive_labels")
    wanted = "name the two" if few else "name two groups, or list which labels count; other labels get maps only"
    return f": {wanted}{_line(dict(zip(keys, sides, strict=True)), few)}"


def _line(sides: dict[str, str], few: bool) -> str:
    """What to type."""
    values = {key: label if INTEGER.fullmatch(label) else as_yaml(label) for key, label in sides.items()}
    section = ", ".join(f"{key}: {value if few else f'[{value}]'}" for key, value in values.items())
    return f", for example {config_line(f'participants={{{section}}}')}"


def _few(path: Path, usable: pd.DataFrame, groups: tuple[Group, Group], folds: int) -> list[Problem]:
    """Problem of groups that are smaller than the number of folds, counted without the subjects that have problems."""
    sizes = {group.name: int(usable["group"].isin(group.labels).sum()) for group in groups}
    if min(sizes.values()) >= folds:
        return []
    found = ", ".join(f"{name} ({size})" for name, size in sizes.items())
    fewest = f"at least {folds} usable subjects in each group" + (" (folds)" if folds > 1 else "")
    return [Problem(str(path), fewest, found + (_fewer(min(sizes.values())) if folds > 1 else ""))]


def _fewer(most: int) -> str:
    """What to type for as many folds as there can be; nothing where there can be none."""
    return f": fewer folds may do, {to_type('folds.folds', most)}" if most > 1 else ""
