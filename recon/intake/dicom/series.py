"""Which images make a scan: echoes of magnitude with phase, or of real with imaginary, whatever the vendor."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from recon.intake.dicom.images import Pair, Raw, Stack, stacks
from recon.intake.dicom.join import join, listed
from recon.intake.scan import CARTESIAN, POLAR
from recon.intake.vendors import vendor_of
from recon.problems import Problem

PROCESSED = {"SECONDARY", "SWI", "MNIP", "MINIP", "MIP", "PROJECTION IMAGE", "MPR"}
PREPARED = {"EP": "echo planar", "IR": "inversion recovery", "SE": "spin echo"}
SAME_AFFINE_MM = 1e-2
SAME_TE_S = 1e-5


class Skipped(NamedTuple):
    """A series that is not used, and why; `number` is the scanner's."""

    number: int
    reason: str


def choose(images: Iterable[Raw], where: str) -> tuple[list[Pair], list[Skipped], list[Problem]]:
    """The scans among the images of one visit, the other series, and what is wrong; `where` names the visit."""
    found = [(stack, why_not(stack)) for stack in stacks(images)]
    skipped = [Skipped(stack.first.number, reason) for stack, reason in found if reason]
    acquired = [stack for stack, reason in found if reason and not _processed(stack)]
    candidates, problems = join([stack for stack, reason in found if not reason], acquired, where)
    if problems:
        return [], skipped, problems
    pairs, others = several_echoes_first(candidates)
    skipped += others
    problems = [problem for pair in pairs for problem in problems_of(pair, where)]
    if pairs and not problems:
        pairs, others, problems = one_grid(pairs, where)
        skipped += others
    skipped = sorted(set(skipped))
    return pairs, skipped, problems or _visit_problems(pairs, skipped, where)


def _visit_problems(pairs: list[Pair], skipped: list[Skipped], where: str) -> list[Problem]:
    """A visit without a usable series, and one that holds several examinations."""
    if not pairs:
        expected = "a gradient echo with magnitude and phase, or real and imaginary"
        reasons = [f"series {number} ({reason})" for number, reason in skipped]
        return [Problem(where, expected, ", ".join(reasons) or "no image")]
    studies = len({pair.first.first.study for pair in pairs})
    expected = "one examination (more of them: one ses-* folder each)"
    return [Problem(where, expected, f"{studies} examinations")] if studies > 1 else []


def why_not(stack: Stack) -> str | None:
    """Why a stack is no part of a gradient echo with phase; None where it may be."""
    facts = stack.first.facts
    sequence = set(re.findall("[A-Z]+", facts.get("ScanningSequence", "")))
    if stack.first.part is None:
        return "neither magnitude, phase, real nor imaginary by its ImageType"
    if prepared := sorted(name for code, name in PREPARED.items() if code in sequence):
        return " and ".join(prepared)
    if processed := _processed(stack):
        return f"processed by the scanner ({', '.join(sorted(processed)).lower()})"
    one_te, vendor = stack.volumes > 1 and len(set(stack.te_s)) == 1, vendor_of(facts)
    if one_te and not (vendor and vendor.first_echo_time_only) and min(stack.te_s) > 0:
        return "several volumes at one echo time"
    return None


def _processed(stack: Stack) -> set[str]:
    """Words of the ImageType that tell of an image computed from others."""
    return PROCESSED & set(stack.first.facts.get("ImageType", ()))


def several_echoes_first(candidates: Sequence[Stack]) -> tuple[list[Pair], list[Skipped]]:
    """Pairs of several echoes; of one echo only where there are none, since they give no R2*."""
    single = [stack for stack in candidates if stack.volumes == 1]
    pairs, lonely = pair_up([stack for stack in candidates if stack.volumes > 1])
    if pairs:
        return pairs, [*lonely, *(Skipped(stack.first.number, "one echo") for stack in single)]
    pairs, others = pair_up(single)
    return pairs, [*lonely, *others]


def pair_up(candidates: Sequence[Stack]) -> tuple[list[Pair], list[Skipped]]:
    """Match magnitude with phase and real with imaginary; of an acquisition that has all four, keep the latter two."""
    cartesian, lonely_cartesian = _match(candidates, *CARTESIAN)
    polar, lonely_polar = _match(candidates, *POLAR)
    used = {(pair.first.protocol, pair.first.te_s) for pair in cartesian}
    kept = [pair for pair in polar if (pair.first.protocol, pair.first.te_s) not in used]
    reason = "the real and imaginary parts of the same acquisition are used"
    spare = [
        Skipped(n, f"{' and '.join(pair.parts)}: {reason}") for pair in polar if pair not in kept for n in pair.numbers
    ]
    lonely = [
        Skipped(n, f"{stack.first.part} without its other part")
        for stack in (*lonely_cartesian, *lonely_polar)
        for n in stack.numbers
    ]
    return sorted([*cartesian, *kept], key=lambda pair: pair.numbers), [*spare, *lonely]


def _match(candidates: Sequence[Stack], first: str, second: str) -> tuple[list[Pair], list[Stack]]:
    """Give every `second` the best free `first` of its protocol; also return those left alone.

    One echo without its own echo time in the other part stays alone: it may be a difference of phases.
    """
    free = [stack for stack in candidates if stack.first.part == first]
    pairs, lonely = [], []
    for stack in (s for s in candidates if s.first.part == second):
        partners = [other for other in free if other.protocol == stack.protocol]
        if stack.volumes == 1:
            partners = [other for other in partners if other.te_s == stack.te_s]
        if not partners:
            lonely.append(stack)
            continue
        best = min(partners, key=lambda other: _distance(other, stack))
        free.remove(best)
        pairs.append(Pair(best, stack))
    return pairs, [*free, *lonely]


def _distance(one: Stack, other: Stack) -> tuple:
    """How unlikely two parts belong together: by series, then echo times, grid, scan time, order and distance."""
    a, b = one.first, other.first
    unlike = [a.uid != b.uid, one.te_s != other.te_s, one.grid != other.grid]
    unlike.append(a.facts.get("AcquisitionTime") != b.facts.get("AcquisitionTime"))
    return (*unlike, a.number > b.number, abs(a.number - b.number))


def problems_of(pair: Pair, where: str) -> list[Problem]:
    """What is wrong with a pair that should be a scan."""
    where = f"{where}, series {listed(pair.numbers)}"
    te_s = pair.first.te_s
    if len(set(te_s)) < pair.first.volumes or min(te_s) <= 0:
        expected = "an EchoTime for every echo (some GE research sequences write only the first: convert those by hand)"
        found = f"{pair.first.volumes} volumes with echo times {_list(te_s)} s"
        return [Problem(where, expected, found)]
    if te_s != pair.second.te_s:
        expected = f"the same echoes as {pair.parts[0]}, {_list(te_s)} s, in {pair.parts[1]}"
        return [Problem(where, expected, f"{_list(pair.second.te_s)} s")]
    return _grid_problems(pair, where)


def _grid_problems(pair: Pair, where: str) -> list[Problem]:
    """One problem where an image lies on another grid than the first: a slice is missing, or the head was moved."""
    reference = pair.first.first.header
    shape, affine = reference.shape, reference.affine
    for stack, part in zip(pair, pair.parts, strict=True):
        for echo, image in enumerate(stack.images, 1):
            same = image.header.shape == shape and np.allclose(image.header.affine, affine, atol=SAME_AFFINE_MM)
            if not same:
                expected = f"every image on the grid of echo 1 {pair.parts[0]}, {_size(shape)}"
                return [Problem(where, expected, f"echo {echo} {part} on another one, {_size(image.header.shape)}")]
    return []


def lost_echoes(pairs: Iterable[Pair], told_s: dict[str, set[float]], where: str) -> list[Problem]:
    """A problem for every part with fewer echoes than its enhanced files tell of: the converter takes some for slices.

    Parameters
    ----------
    pairs : scans
    told_s : echo times [s] by SeriesInstanceUID, see `recon.intake.dicom.bytes.enhanced_echo_times`
    where : names the visit
    """
    expected = "an image for every echo time in enhanced DICOM files (export them as classic DICOM otherwise)"
    problems = []
    for stack in (stack for pair in pairs for stack in pair):
        told = {te_s for image in stack.images for te_s in told_s.get(image.uid, ())}
        if lost := [te_s for te_s in sorted(told) if not np.isclose(te_s, stack.te_s, rtol=0, atol=SAME_TE_S).any()]:
            part = f"{where}, series {listed(stack.numbers)} ({stack.first.part})"
            problems.append(Problem(part, expected, f"none for {_list(lost)} s"))
    return problems


def one_grid(pairs: Sequence[Pair], where: str) -> tuple[list[Pair], list[Skipped], list[Problem]]:
    """Keep the pairs on the grid that has the most echoes: others, such as a field map, are another protocol."""
    echoes = dict.fromkeys((pair.first.grid for pair in pairs), 0)
    for pair in pairs:
        echoes[pair.first.grid] = max(echoes[pair.first.grid], len(pair.first.images))
    best = [grid for grid, count in echoes.items() if count == max(echoes.values())]
    if len(best) > 1:
        found = "; ".join(f"{_size(shape)} voxels of {_size(size)} mm" for shape, size in best)
        return [], [], [Problem(where, "one protocol: take the series of the others away", f"two protocols: {found}")]
    kept = [pair for pair in pairs if pair.first.grid in best]
    reason = f"another protocol with fewer echoes than series {listed(n for pair in kept for n in pair.numbers)}"
    return kept, [Skipped(n, reason) for pair in pairs if pair not in kept for n in pair.numbers], []


def labels(pairs: Sequence[Pair]) -> list[str]:
    """The BIDS entities that tell the pairs of one visit apart: `_acq-fa06` by flip angle, `_run-2` by repetition."""
    flips = [pair.flip_deg for pair in pairs]
    repeated = len(set(flips)) < len(flips)
    names = []
    for i, flip_deg in enumerate(flips):
        acq = f"_acq-fa{flip_deg:02.0f}" if flip_deg == round(flip_deg) else f"_acq-fa{flip_deg:g}".replace(".", "p")
        run = f"_run-{1 + flips[:i].count(flip_deg)}"
        names.append((acq if len(set(flips)) > 1 else "") + (run if repeated else ""))
    return names


def _list(values: Iterable[float]) -> str:
    """`0.004, 0.0085`."""
    return ", ".join(f"{value:g}" for value in values)


def _size(values: Iterable[float]) -> str:
    """`12×10×8`."""
    return "×".join(f"{value:g}" for value in values)
