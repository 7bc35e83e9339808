"""Which files are the two parts of which echo: told by their names alone."""

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from recon.files.bids import entities
from recon.intake.scan import CARTESIAN, POLAR
from recon.problems import Problem

MOST_ECHOES = 32  # of a series

PARTS = (*POLAR, *CARTESIAN)
BIDS_NAME = re.compile(r"(?:[A-Za-z0-9]+-[A-Za-z0-9+]+_)+[A-Za-z0-9]+(?:\.nii|\.nii\.gz|\.json)")


class Layout(NamedTuple):
    """The form of a series, and its pairs of files by echo number; None where a name has no echo, as in a 4-D file."""

    parts: tuple[str, str]
    pairs: dict[int | None, tuple[str, str]]


def layout(files: Iterable[str]) -> tuple[Layout, list[Problem]]:
    """Pair the image files of one series.

    Real and imaginary or magnitude and phase images make a series. Where both forms are there, they are two copies of
    one signal: the first of (magnitude, phase) and (real, imaginary) that has both parts of every echo is taken, the
    other is left aside. So a magnitude beside real and imaginary images (GE) does no harm.

    Returns
    -------
    layout : Layout of the complete pairs
    problems : files that do not fit, and echoes that lack a partner
    """
    by_part, problems = _by_part(sorted(map(str, files)))
    echoes = set().union(*by_part.values())
    parts = next((form for form in (POLAR, CARTESIAN) if all(by_part[part].keys() == echoes for part in form)), None)
    if parts is None:
        parts, more = _best_form(by_part)
        problems += more
    first, second = (by_part[part] for part in parts)
    pairs = {echo: (first[echo], second[echo]) for echo in sorted(first.keys() & second.keys(), key=_order)}
    return Layout(parts, pairs), problems + _number_problems(pairs)


def _order(echo: int | None) -> int:
    return -1 if echo is None else echo


def _by_part(files: list[str]) -> tuple[dict[str, dict[int | None, str]], list[Problem]]:
    """Part → echo number → file, with the files that say no part, no number, or what another says already."""
    by_part: dict[str, dict[int | None, str]] = {part: {} for part in PARTS}
    problems = []
    for file in files:
        names = entities(file)
        part, echo = names.get("part"), names.get("echo")
        if part not in PARTS:
            problems.append(Problem(file, "part-mag, part-phase, part-real or part-imag in its name", _named(part)))
        elif echo is not None and not re.fullmatch("[0-9]{1,6}", echo):
            problems.append(Problem(file, "a number as echo in its name", _named(echo)))
        elif (number := None if echo is None else int(echo)) in by_part[part]:
            which = "the series, as no name has an echo" if number is None else f"echo {number}"
            problems.append(Problem(file, f"one part-{part} image of {which}", f"also {by_part[part][number]}"))
        else:
            by_part[part][number] = file
    return by_part, problems


def _named(label: str | None) -> str:
    return "none" if label is None else repr(label)


def _best_form(by_part: dict[str, dict[int | None, str]]) -> tuple[tuple[str, str], list[Problem]]:
    """Of two incomplete forms that with more pairs, then with more files; and what it lacks."""
    parts = max(
        (POLAR, CARTESIAN),
        key=lambda form: (len(by_part[form[0]].keys() & by_part[form[1]].keys()), sum(len(by_part[p]) for p in form)),
    )
    problems = [
        Problem(
            by_part[part][echo],
            f"its part-{other} partner{'' if echo is None else f' of echo {echo}'}",
            _instead(by_part[part][echo], part, other),
        )
        for part, other in (parts, parts[::-1])
        for echo in sorted(by_part[part].keys() - by_part[other].keys(), key=_order)
    ]
    return parts, problems


def _instead(file: str, part: str, other: str) -> str:
    """What there is in place of a partner: a name without a part may be that of a magnitude, or of an average."""
    plain = file.replace(f"_part-{part}_", "_")
    if other == "mag" and os.path.exists(plain):
        return f"{os.path.basename(plain)} without part-: if it is the magnitude of this echo, say part-mag in its name"
    return "none: add it, or take this image away"


def lost_notes(files: Iterable[str]) -> list[str]:
    """A note on numbers of echoes that no name has, though it has a later one."""
    labels = {entities(file).get("echo", "") for file in files}
    numbers = {int(label) for label in labels if label.isdecimal()}
    last = max(numbers, default=0)
    lost = (
        sorted(set(range(1, last)) - numbers) if last <= MOST_ECHOES else []
    )  # beyond, a label is no number of an echo
    if not lost:
        return []
    named = f"echo {lost[0]}" if len(lost) == 1 else f"echoes {', '.join(map(str, lost))}"
    return [f"no image is called {named}, though one is called echo-{last}: lost, or left out on purpose?"]


def _number_problems(pairs: dict[int | None, tuple[str, str]]) -> list[Problem]:
    """Problems of the echo numbers as a whole."""
    if None in pairs and len(pairs) > 1:
        numbered = next(pair[0] for echo, pair in pairs.items() if echo is not None)
        return [Problem(pairs[None][0], "an echo- entity in the names of all images or of none", f"also {numbered}")]
    return []
