"""Which images make a scan: echoes of magnitude with phase, or of real with imaginary, whatever the vendor."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from recon.files.nifti_header import Header
from recon.intake.dicom.images import Pair, Raw, Stack, stacks
from recon.intake.dicom.join import join, listed
from recon.intake.dicom.same import apart, equal, same_protocol, without_copies, without_corrected
from recon.intake.kinds import Kind, echo_planar, mosaic, no_signal, processed, unknown_part
from recon.intake.scan import CARTESIAN, POLAR
from recon.intake.vendors import GE, vendor_of
from recon.problems import Problem

SAME_AFFINE_MM = 1e-2
SAME_PLACE = 0.5  # share of its field of view that a repeated scan has in common with the first
PLACES = 10  # points a side by which that share is counted
NO_SERIES = -1  # number of what belongs to none


class Skipped(NamedTuple):
    """A series that is not used, why, and the facts that tell it where the reason does not name them.

    `number` is the scanner's, or NO_SERIES of a single file.
    """

    number: int
    reason: str
    evidence: str = ""

    def __str__(self) -> str:
        which = "file" if self.number == NO_SERIES else f"series {self.number}"
        return f"{which} skipped: {self.reason}" + (f" ({self.evidence})" if self.evidence else "")


def choose(
    images: Iterable[Raw], where: str, faults: Iterable[Skipped] = ()
) -> tuple[list[Pair], list[Skipped], list[Problem]]:
    """The scans among the images of one visit, the other series, and what is wrong.

    Parameters
    ----------
    images : as the converter left them
    where : names the visit
    faults : of files that no image is made of, told where there is no scan
    """
    found = [(stack, why_not(stack)) for stack in stacks(images)]
    skipped = [Skipped(stack.first.number, *kind) for stack, kind in found if kind]
    acquired = [stack for stack, kind in found if kind and not processed(stack.first.facts)]
    candidates, problems = join([stack for stack, kind in found if not kind], acquired, where)
    if problems:
        return [], skipped, problems
    candidates, maps = without_field_maps(candidates)
    pairs, others = several_echoes_first(candidates)
    pairs, copies = without_copies(pairs)
    pairs, corrected = without_corrected(pairs)
    left = (Skipped(n, reason, pair.first.told) for pair, reason in (*copies, *corrected) for n in pair.numbers)
    skipped += [*maps, *others, *left]
    problems = [problem for pair in pairs for problem in problems_of(pair, where)]
    if pairs and not problems:
        pairs, others, problems = one_grid(pairs, where)
        problems = problems or stations(pairs, where)
        skipped += others
    skipped = sorted(set(skipped))
    return pairs, skipped, problems or _visit_problems(pairs, [*skipped, *faults], where)


def _visit_problems(pairs: list[Pair], skipped: list[Skipped], where: str) -> list[Problem]:
    """A visit without a usable series, and one that holds several examinations."""
    if not pairs:
        expected = "a gradient echo with magnitude and phase, or real and imaginary"
        return [Problem(where, expected, ", ".join(_reasons(skipped)) or "no image")]
    studies = len({pair.first.first.study for pair in pairs})
    expected = "one examination (more of them: one ses-* folder each)"
    return [Problem(where, expected, f"{studies} examinations")] if studies > 1 else []


def _reasons(skipped: Iterable[Skipped]) -> list[str]:
    """`series 5 and 6 (one echo)`."""
    numbers: dict[str, list[int]] = {}
    for series in skipped:
        numbers.setdefault(series.reason, []).append(series.number)
    return [
        reason if NO_SERIES in of_reason else f"series {listed(of_reason)} ({reason})"
        for reason, of_reason in numbers.items()
    ]


def without_field_maps(candidates: Sequence[Stack]) -> tuple[list[Stack], list[Skipped]]:
    """The stacks without the magnitudes and the phase of field maps, which are told by what they hold.

    A field map holds the magnitudes of two echoes and the difference of their phases, at the second echo time.
    """
    reason = "a field map: magnitudes of two echoes and one phase, the difference of both (or the first phase is lost)"
    phases = [stack for stack in candidates if stack.first.part == "phase"]
    maps = []
    for magnitude in (stack for stack in candidates if stack.first.part == "mag" and len(stack.te_s) == 2):
        own = [p for p in phases if p.protocol == magnitude.protocol and p.grid == magnitude.grid]
        if own and all(phase.te_s == magnitude.te_s[1:] for phase in own):
            maps += [magnitude, *(phase for phase in own if phase not in maps)]
    kept = [stack for stack in candidates if stack not in maps]
    return kept, [Skipped(number, reason, stack.told) for stack in maps for number in stack.numbers]


def why_not(stack: Stack) -> Kind | None:
    """What a stack is instead of a part of a gradient echo with phase; None where it may be one."""
    facts = stack.first.facts
    if kind := mosaic(facts) or no_signal(facts) or echo_planar(facts) or processed(facts):
        return kind
    if stack.first.part is None:
        return Kind(unknown_part(facts), f"ImageType {', '.join(sorted(stack.first.words)) or 'missing'}")
    one_te, vendor = stack.volumes > 1 and len(set(stack.te_s)) == 1, vendor_of(facts)
    if one_te and not (vendor and vendor.first_echo_time_only) and min(stack.te_s) > 0:
        return Kind("several volumes at one echo time", f"{stack.volumes} at EchoTime {stack.te_s[0]:g} s")
    return None


def several_echoes_first(candidates: Sequence[Stack]) -> tuple[list[Pair], list[Skipped]]:
    """Pairs of several echoes; of one echo only where there are none, since they give no R2*."""
    single = [stack for stack in candidates if stack.volumes == 1]
    pairs, lonely = pair_up([stack for stack in candidates if stack.volumes > 1])
    if pairs:
        return pairs, [*lonely, *(Skipped(stack.first.number, "one echo", stack.told) for stack in single)]
    pairs, others = pair_up(single)
    return pairs, [*lonely, *others]


def pair_up(candidates: Sequence[Stack]) -> tuple[list[Pair], list[Skipped]]:
    """Match magnitude with phase and real with imaginary; of an acquisition that has all four, keep the latter two."""
    cartesian, lonely_cartesian = _match(candidates, *CARTESIAN)
    polar, lonely_polar = _match(candidates, *POLAR)
    used = [next((c for c in cartesian if _same_acquisition(pair.first, c.first)), None) for pair in polar]
    kept = [pair for pair, better in zip(polar, used, strict=True) if better is None]
    reason = "the real and imaginary parts of the same acquisition are used"
    spare = [
        Skipped(n, f"{' and '.join(pair.parts)}: {reason}", f"series {listed(better.numbers)}")
        for pair, better in zip(polar, used, strict=True)
        if better is not None
        for n in pair.numbers
    ]
    lonely = [
        Skipped(n, f"{stack.first.part} without its other part{why}", stack.told)
        for stack, why in (*lonely_cartesian, *lonely_polar)
        for n in stack.numbers
    ]
    return sorted([*cartesian, *kept], key=lambda pair: pair.numbers), [*spare, *lonely]


def _same_acquisition(one: Stack, other: Stack) -> bool:
    return one.te_s == other.te_s and same_protocol(one, other)


def _match(candidates: Sequence[Stack], first: str, second: str) -> tuple[list[Pair], list[tuple[Stack, str]]]:
    """Pair every `first` with the `second` of its acquisition; also return those left alone, with what is known why.

    Two stacks are a pair where each is the other's best and nothing tells their acquisitions apart. One echo without
    its own echo time in the other part stays alone: it may be a difference of phases.
    """
    free = {part: [stack for stack in candidates if stack.first.part == part] for part in (first, second)}
    both = [*free[first], *free[second]]
    pairs: list[Pair] = []
    while found := _mutual(free[first], free[second], both):
        pairs += found
        for pair in found:
            free[first].remove(pair.first)
            free[second].remove(pair.second)
    lonely = [(stack, _why_alone(stack, free[second], both)) for stack in free[first]]
    return pairs, [*lonely, *((stack, _why_alone(stack, free[first], both)) for stack in free[second])]


def _mutual(ones: Sequence[Stack], others: Sequence[Stack], both: Sequence[Stack]) -> list[Pair]:
    """The pairs of which each is the other's best; `both` are all stacks of the two parts, paired or not."""
    best_of_ones = {id(one): _best(one, others, both) for one in ones}
    return [
        Pair(best, other)
        for other in others
        if (best := _best(other, ones, both)) is not None and best_of_ones[id(best)] is other
    ]


def _best(stack: Stack, others: Sequence[Stack], both: Sequence[Stack]) -> Stack | None:
    """The nearest of the stacks that may be of the same acquisition; none where several differ that are as near.

    One with, one without a correction of distortion may be a pair only where there are no others.
    """
    others = [other for other in others if other.first.corrected == stack.first.corrected] or others
    twins = _twins(stack, both)
    partners = [other for other in others if _may_pair(stack, other) and not apart(*_in_order(stack, other), twins)]
    distances = [_distance(*_in_order(stack, other)) for other in partners]
    nearest = [other for other, distance in zip(partners, distances, strict=True) if distance == min(distances)]
    return nearest[0] if nearest and all(equal(nearest[0], other) for other in nearest[1:]) else None


def _in_order(one: Stack, other: Stack) -> tuple[Stack, Stack]:
    """Magnitude before phase, real before imaginary."""
    return (one, other) if one.first.part in ("mag", "real") else (other, one)


def _may_pair(one: Stack, other: Stack) -> bool:
    single = min(one.volumes, other.volumes) == 1
    return one.protocol == other.protocol and (not single or one.te_s == other.te_s)


def _twins(stack: Stack, both: Iterable[Stack]) -> set[int]:
    """Numbers of the series that differ from a stack in the correction of distortion, not in protocol or echoes.

    A scanner that stores both may count the magnitudes of both before the phases of both.
    """
    return {
        number
        for other in both
        if other.first.corrected != stack.first.corrected and _same_acquisition(stack, other)
        for number in other.numbers
    }


def _why_alone(stack: Stack, others: Iterable[Stack], both: Sequence[Stack]) -> str:
    """What parts a stack from the free ones that look like its other part; nothing where there is none."""
    for other in others:
        if _may_pair(stack, other) and (reason := apart(*_in_order(stack, other), _twins(stack, both))):
            return f", as series {listed(other.numbers)} {reason}"
    return ""


def _distance(one: Stack, other: Stack) -> tuple:
    """How unlikely two parts belong together: by series, then echo times, grid, scan, order and distance."""
    a, b = one.first, other.first
    unlike = [a.uid != b.uid, one.te_s != other.te_s, one.grid != other.grid]
    unlike += [a.facts.get(key) != b.facts.get(key) for key in ("AcquisitionTime", "AcquisitionNumber")]
    return (*unlike, a.number > b.number, abs(a.number - b.number))


def problems_of(pair: Pair, where: str) -> list[Problem]:
    """What is wrong with a pair that should be a scan."""
    where = f"{where}, series {listed(pair.numbers)}"
    te_s = pair.first.te_s
    if len(set(te_s)) < pair.first.volumes or min(te_s) <= 0:
        expected, found = "an EchoTime for every echo", f"{pair.first.volumes} volumes with echo times {_list(te_s)} s"
        if min(te_s) <= 0:
            found += ": an anonymiser may have removed EchoTime (0018,0081)"
        elif vendor_of(pair.first.first.facts) is GE:
            expected += " (some GE research sequences write only the first: convert those by hand)"
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


def one_grid(pairs: Sequence[Pair], where: str) -> tuple[list[Pair], list[Skipped], list[Problem]]:
    """Keep the pairs on the grid that has the most echoes: others, such as a field map, are another protocol.

    So are fewer echoes of other times on that grid.
    """
    echoes = dict.fromkeys((pair.first.grid for pair in pairs), 0)
    for pair in pairs:
        echoes[pair.first.grid] = max(echoes[pair.first.grid], len(pair.first.images))
    best = [grid for grid, count in echoes.items() if count == max(echoes.values())]
    if len(best) > 1:
        found = "; ".join(f"{_size(shape)} voxels of {_size(size)} mm" for shape, size in best)
        return [], [], [Problem(where, "one protocol: take the series of the others away", f"two protocols: {found}")]
    longest = max((pair.first.te_s for pair in pairs if pair.first.grid in best), key=len)
    kept = [pair for pair in pairs if pair.first.grid in best and _may_be_of(pair.first.te_s, longest)]
    reason = f"another protocol with fewer echoes than series {listed(n for pair in kept for n in pair.numbers)}"
    return kept, [Skipped(n, reason, pair.first.told) for pair in pairs if pair not in kept for n in pair.numbers], []


def _may_be_of(te_s: Sequence[float], longest: Sequence[float]) -> bool:
    """Whether echoes may be of a protocol of more: fewer of other times are of another, as of a Dixon scan."""
    return len(te_s) == len(longest) or not set(te_s).isdisjoint(longest)


def stations(pairs: Sequence[Pair], where: str) -> list[Problem]:
    """A problem where scans share less than half of their place: parts of a body, scanned one after the other."""
    first, *later = pairs
    apart = [pair for pair in later if _shared(first.first.first.header, pair.first.first.header) < SAME_PLACE]
    if not apart:
        return []
    expected = "repeated scans of one place (put each station into a ses-* folder of its own, or take one away)"
    numbers = [listed(n for pair in pairs if (pair in apart) is far for n in pair.numbers) for far in (False, True)]
    return [Problem(f"{where}, series {numbers[0]}", expected, f"series {numbers[1]} of another place: stations")]


def _shared(one: Header, other: Header) -> float:
    """Share of the field of view of one image that lies in that of the other, both of one shape and voxel size."""
    x, y, z = other.shape[:3]
    steps = (np.linspace(-0.5, size - 0.5, 2 * PLACES + 1)[1::2] for size in (x, y, z))
    points = np.stack([*map(np.ravel, np.meshgrid(*steps, indexing="ij")), np.ones(PLACES**3)])
    inside = (np.linalg.inv(one.affine) @ other.affine @ points)[:3] + 0.5
    limits = np.reshape(one.shape[:3], (3, 1))
    return float(((inside >= 0) & (inside <= limits)).all(axis=0).mean())


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
