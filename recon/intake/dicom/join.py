"""Echoes that the scanner stored in a series each, joined into one multi-echo scan."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from recon.intake.dicom.images import Stack
from recon.intake.scan import CARTESIAN, POLAR
from recon.problems import Problem


def join(candidates: Sequence[Stack], others: Iterable[Stack], where: str) -> tuple[list[Stack], list[Problem]]:
    """Join single echoes of one protocol and grid that differ in echo time; say where it is not clear which belong.

    Parameters
    ----------
    candidates : stacks of one echo or more
    others : what else the scanner acquired, and may have acquired between the echoes
    where : names the visit in problems

    Returns
    -------
    stacks : the candidates, single echoes joined where they make a scan
    problems : of single echoes that could be joined in more than one way
    """
    groups: defaultdict[tuple, list[Stack]] = defaultdict(list)
    for stack in candidates:
        groups[stack.protocol, stack.grid, stack.first.study, stack.first.corrected].append(stack)
    joined, problems = [], []
    for (*scan, corrected), group in groups.items():
        # of one acquisition are those with and without a correction of distortion
        twin = groups.get((*scan, not corrected), [])
        numbers = {n for stack in (*candidates, *others) if stack not in (*group, *twin) for n in stack.numbers}
        made, wrong = _join_group(group, numbers, where)
        joined += made
        problems += wrong
    return joined, problems


def _join_group(group: Sequence[Stack], others: set[int], where: str) -> tuple[list[Stack], list[Problem]]:
    """Join each part of a group that has both parts; without them no echo can be used, joined or not."""
    found = {stack.first.part for stack in group}
    if not any(found.issuperset(parts) for parts in (POLAR, CARTESIAN)):
        return list(group), []
    by_part = defaultdict(list)
    for stack in (stack for stack in group if stack.volumes == 1):
        by_part[stack.first.part].append(stack)
    made, problems = [stack for stack in group if stack.volumes > 1], []
    for part, echoes in by_part.items():
        runs = _runs(echoes)
        if wrong := _ambiguity(runs, others):
            numbers = listed(n for stack in echoes for n in stack.numbers)
            expected = "the echoes of a scan in neighbouring series, each once (take the series of other scans away)"
            problems.append(Problem(f"{where}, series {numbers} ({part})", expected, wrong))
        made += [Stack(images=tuple(sorted((s.first for s in run), key=lambda i: i.te_s))) for run in runs]
    return made, problems


def _runs(echoes: Iterable[Stack]) -> list[list[Stack]]:
    """Single echoes in the order of the scanner, cut into as many as there are echo times."""
    ordered = sorted(echoes, key=lambda stack: (stack.first.number, stack.te_s))
    count = len({stack.te_s for stack in ordered})
    return [ordered[start : start + count] for start in range(0, len(ordered), count)]


def _ambiguity(runs: Sequence[Sequence[Stack]], others: set[int]) -> str | None:
    """What speaks against the runs: other orders of echoes than in the first, or another scan in between."""
    orders = [[stack.te_s for stack in run] for run in runs]
    if any(order != orders[0] for order in orders) or len(set(orders[0])) < len(orders[0]):
        return "echo times " + ", ".join(f"{te_s:g}" for order in orders for (te_s,) in order) + " s"
    for run in runs:
        numbers = [n for stack in run for n in stack.numbers]
        if between := [n for n in sorted(others) if min(numbers) < n < max(numbers)]:
            return f"series {listed(between)} between them"
    return None


def listed(numbers: Iterable[int]) -> str:
    """`5, 6 and 7`."""
    *most, last = map(str, sorted(set(numbers)))
    return f"{', '.join(most)} and {last}" if most else last
