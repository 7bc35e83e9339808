"""Whether images are copies of each other, and whether two parts can be of one acquisition."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from recon.files.io import Volume, read_volume
from recon.intake.dicom.images import Pair, Raw, Stack
from recon.intake.dicom.join import listed
from recon.intake.proof import SAME_TIME_S, acquisition_time_s

SAME_LEVEL = 1e-5  # of the range of an image: less than a step of 16 bits, more than the rounding of floats


def without_copies(pairs: Sequence[Pair]) -> tuple[list[Pair], list[tuple[Pair, str]]]:
    """Pairs without copies of others, and the copies with the reason: one scan exported twice.

    A copy may have lost echoes, or facts of its protocol: that which has more is kept.
    """
    kept: list[Pair] = []
    copies = []
    for pair in sorted(pairs, key=lambda p: (-len(p.first.te_s), p.first.protocol.count(None), p.numbers)):
        if original := next((other for other in kept if _may_be_copy(pair, other) and _equal(pair, other)), None):
            copies.append((pair, f"equal to series {listed(original.numbers)}"))
        else:
            kept.append(pair)
    return sorted(kept, key=lambda pair: pair.numbers), copies


def _may_be_copy(pair: Pair, original: Pair) -> bool:
    """Whether nothing but the voxels can tell a pair from a copy of another."""
    kinds = [(p.parts, p.first.grid, p.first.first.study) for p in (pair, original)]
    of_its_echoes = set(pair.first.te_s) <= set(original.first.te_s)
    return of_its_echoes and kinds[0] == kinds[1] and same_protocol(pair.first, original.first)


def same_protocol(one: Stack, other: Stack) -> bool:
    """Whether nothing tells two protocols apart; a fact that one lacks does not."""
    return all(a == b or None in (a, b) for a, b in zip(one.protocol, other.protocol, strict=True))


def _equal(pair: Pair, original: Pair) -> bool:
    """Whether a pair is a copy of echoes of another; an image of another time is none, were it equal."""
    times = [acquisition_time_s(p.first.first.facts) for p in (pair, original)]
    if None not in times and times[0] != times[1]:
        return False
    for stack, whole in zip(pair, original, strict=True):
        of_echo = {image.te_s: image for image in whole.images}
        if not all(image.te_s in of_echo and alike(image, of_echo[image.te_s]) for image in stack.images):
            return False
    return True


def without_corrected(pairs: Sequence[Pair]) -> tuple[list[Pair], list[tuple[Pair, str]]]:
    """Pairs without those that the scanner corrected for distortion, where it also stored what it corrected.

    Moving voxels interpolates phase across its wraps, so that of both the one without correction is used.
    """
    kept, left = [], []
    for pair in pairs:
        if original := next((other for other in pairs if _corrects(pair, other)), None):
            left.append((pair, f"corrected for distortion; series {listed(original.numbers)} is the scan without it"))
        else:
            kept.append(pair)
    return kept, left


def _corrects(pair: Pair, original: Pair) -> bool:
    """Whether a pair may be made of another by a correction of distortion: nothing tells that it is another scan.

    An echo of either may be lost.
    """
    one, other = pair.first, original.first
    if not one.first.corrected or other.first.corrected or not same_protocol(one, other):
        return False
    echoes = set(one.te_s), set(other.te_s)
    kinds = [(p.parts, p.first.first.study) for p in (pair, original)]
    if kinds[0] != kinds[1] or not (echoes[0] <= echoes[1] or echoes[1] <= echoes[0]):
        return False
    times = [acquisition_time_s(stack.first.facts) for stack in (one, other)]
    return times[0] is None or times[1] is None or abs(times[0] - times[1]) <= SAME_TIME_S


def equal(one: Stack, other: Stack) -> bool:
    """Whether all images of two stacks are equal; an image of one value equals none."""
    return len(one.images) == len(other.images) and all(map(alike, one.images, other.images))


def alike(one: Raw, other: Raw) -> bool | None:
    """Whether the voxels of two images are equal up to slope and offset, which a copy may have lost.

    None where an image has one value, which tells nothing.
    """
    first, second = _levels(one), _levels(other)
    if first is None or second is None:
        return None
    return first.shape == second.shape and bool(np.abs(first - second).max() <= SAME_LEVEL)


def _levels(image: Raw) -> np.ndarray | None:
    """Voxels from 0, the lowest, to 1, in the order of the scanner's axes, whichever way they are stored."""
    volume = read_volume(image.path)
    low, high = float(volume.data.min()), float(volume.data.max())
    return None if low == high else (_turned(volume) - low) / (high - low)


def _turned(volume: Volume) -> np.ndarray:
    """Voxels with their axes in the order and direction of the world's that they are nearest to."""
    x, y, z = volume.data.shape[:3]
    data = volume.data.reshape(x, y, z, -1)
    cosines = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    nearest = np.abs(cosines).argmax(axis=0)  # world axis of each voxel axis
    backwards = tuple(axis for axis in range(3) if cosines[nearest[axis], axis] < 0)
    return np.flip(data, backwards).transpose(*np.argsort(nearest), 3)


def apart(one: Stack, other: Stack, twins: AbstractSet[int] = frozenset()) -> str | None:
    """What speaks against one acquisition of two parts; None where something proves it.

    Proof is, in this order: one series of the scanner; equal times of acquisition, echo by echo; where no time is told,
    as after an anonymiser, series numbers that follow each other, magnitude (or real) first, with no others between
    them than `twins`, which the scanner made of the same acquisition.
    """
    if {image.uid for image in one.images} & {image.uid for image in other.images}:
        return None
    times = [[acquisition_time_s(image.facts) for image in stack.images] for stack in (one, other)]
    told = [(a, b) for a, b in zip(*times, strict=False) if a is not None and b is not None]
    if any(abs(a - b) > SAME_TIME_S for a, b in told):
        return "was acquired at another time"
    if told:
        return None
    last, first = max(one.numbers), min(other.numbers)
    overlap = max(min(one.numbers), first) <= min(last, max(other.numbers))
    if overlap or (last < first and all(number in twins for number in range(last + 1, first))):
        return None
    return "is not its neighbour, and no time of acquisition proves that both are of one scan"
