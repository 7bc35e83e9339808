"""Whether what the converter made is what the headers say, slice by slice, and whether two parts are of one echo."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recon.files.io import read_volume
from recon.intake.dicom.frames import Frame
from recon.intake.dicom.images import Pair, Raw, Stack
from recon.intake.dicom.join import listed
from recon.intake.dicom.stage import Staged, stored
from recon.intake.kinds import may_be_siemens, of_more_echoes
from recon.intake.scan import CARTESIAN
from recon.problems import Problem

SAME_TE_S = 1e-5
SAME_FLIP = 1e-5  # of the flip angle, which sidecars round
WHOLE = 2e-2  # slack of a place in voxels
SCALED = 1e-3  # of the range of a slice, by which scaled values may differ from stored ones
TO_RAS = np.array([-1.0, -1.0, 1.0])


def misplaced(pairs: Iterable[Pair], staged: Staged, where: str) -> list[Problem]:
    """A problem for every part of which a slice is not the one that the headers tell at its echo time and place.

    The values of a part must be in one scale, echo by echo as well; those of the real and the imaginary part in the
    same.
    """
    problems = []
    for pair in pairs:
        scale: Scale | None = None
        for stack in pair:
            scale = scale if pair.parts == CARTESIAN else None
            part = f"{where}, series {listed(stack.numbers)} ({stack.first.part})"
            checks = []
            for image in stack.images:
                checks.append(_check(image, staged.frames.get(image.uid, ()), scale))
                scale = scale or checks[-1].scale
            problems += _problems(checks, part)
    return problems


def _problems(checks: Iterable["Check"], part: str) -> list[Problem]:
    """At most one problem of the images of a part."""
    checks = list(checks)
    if wrong := sum(check.wrong for check in checks):
        expected = "every slice at the echo and place that its header tells, after conversion by dcm2niix"
        expected += " (export the series as classic DICOM, one slice a file)"
        total = sum(check.slices for check in checks)
        return [Problem(part, expected, f"{wrong} of {total} slices elsewhere, or without a header")]
    if not all(check.one_scale for check in checks):
        expected = "values of all slices and echoes in one scale, that of RescaleSlope and RescaleIntercept, after "
        expected += "conversion by dcm2niix (export the series anew with one scale)"
        return [Problem(part, expected, "several scales")]
    return []


def placeless(pairs: Iterable[Pair], staged: Staged, where: str) -> list[Problem]:
    """A problem for every part of which slices do not tell where they lie; the converter invents places for them."""
    expected = "ImagePositionPatient (0020,0032), ImageOrientationPatient (0020,0037) and PixelSpacing (0028,0030) in "
    expected += "every slice (an anonymiser may have removed them)"
    problems = []
    for stack in (stack for pair in pairs for stack in pair):
        frames = [f for image in stack.images for f in frames_of(image, staged.frames.get(image.uid, ()))]
        if lost := sum(frame.place is None for frame in frames):
            part = f"{where}, series {listed(stack.numbers)} ({stack.first.part})"
            problems.append(Problem(part, expected, f"one or more of them missing in {lost} of {len(frames)}"))
    return problems


def partly_scaled(pairs: Iterable[Pair], staged: Staged, where: str) -> list[Problem]:
    """A problem for every part of which some slices tell a scale of their values and others do not."""
    problems = []
    for stack in (stack for pair in pairs for stack in pair):
        frames = [f for image in stack.images for f in frames_of(image, staged.frames.get(image.uid, ()))]
        part = f"{where}, series {listed(stack.numbers)} ({stack.first.part})"
        scales: dict[str, list] = {
            "RescaleSlope (0028,1053)": [frame.rescale for frame in frames],
            "the scale slope of Philips (2005,100E)": [frame.scale_slope for frame in frames],
        }
        for name, values in scales.items():
            if 0 < (missing := values.count(None)) < len(values):
                found = f"it in {len(values) - missing} of {len(values)}"
                problems.append(Problem(part, f"{name} in every slice of a part, or in none", found))
    return problems


def with_own_facts(images: Iterable[Raw], staged: Staged) -> list[Raw]:
    """Images with what their headers tell and the converter does not, or tells otherwise.

    It makes up an AcquisitionTime in any case, tells one AcquisitionNumber for all repetitions within an enhanced file,
    and of an enhanced file neither the name of its sequence under one key nor EchoPlanarPulseSequence.
    """
    told = []
    for image in images:
        frames = frames_of(image, staged.frames.get(image.uid, ()))
        time = min((frame.acquisition[2] for frame in frames if frame.acquisition[2]), default="")
        numbers = {frame.acquisition[0] for frame in frames}
        facts = {key: value for key, value in image.facts.items() if key != "AcquisitionTime"}
        own: dict[str, object] = {"AcquisitionTime": f"{time[:2]}:{time[2:4]}:{time[4:]}"} if time else {}
        if len(numbers) == 1 and (number := numbers.pop()).isdecimal():
            own["AcquisitionNumber"] = int(number)
        for key, values in (
            ("SequenceName", {frame.file.sequence for frame in frames}),
            ("EchoPlanarPulseSequence", {frame.file.planar for frame in frames}),
        ):
            if value := max(values, default=""):
                own[key] = value
        told.append(replace(image, facts=facts | own))
    return told


def frames_of(image: Raw, frames: Iterable[Frame]) -> list[Frame]:
    """The frames that an image should be made of: of its part, as far as that is told, and echo time."""
    part, te_s, flip_deg = image.part, image.te_s, image.facts.get("FlipAngle")
    return [
        frame
        for frame in frames
        if frame.part in (None, part)
        and (frame.te_s is None or abs(frame.te_s - te_s) <= SAME_TE_S)
        and (frame.flip_deg is None or flip_deg is None or math.isclose(frame.flip_deg, flip_deg, rel_tol=SAME_FLIP))
    ]


class Scale(NamedTuple):
    """How values became others: slope × value + offset."""

    slope: float
    offset: float


class Check(NamedTuple):
    """An image compared with its frames.

    Parameters
    ----------
    slices, wrong : number of slices, and of those that no frame at the same place equals
    scale : of the converted values over those meant; None where there is none, or the image has one value
    one_scale : whether all slices have that scale, or the one given
    """

    slices: int
    wrong: int
    scale: Scale | None
    one_scale: bool


def _check(image: Raw, frames: Iterable[Frame], scale: Scale | None) -> Check:
    """Compare the slices of an image with the frames at their places, and its scale with that of another image."""
    volume = read_volume(image.path)
    x, y, z = volume.data.shape[:3]
    data = volume.data.reshape(x, y, z)
    to_voxel = np.linalg.inv(volume.affine)
    meant, right = np.zeros(data.shape), np.zeros(data.shape, bool)
    true_values = image.facts.get("UsePhilipsFloatNotDisplayScaling") == 1
    for frame in frames_of(image, frames):
        if (index := _index(frame, to_voxel, data.shape)) is None:
            continue
        if _same(data[index], pixels := stored(frame)):
            meant[index], right[index] = _meant(pixels, frame, true_values), True
    wrong = int(z - right.all(axis=(0, 1)).sum())
    own = _scale(data, meant)
    return Check(z, wrong, own, _same(data, meant) and (own is None or _scaled(data, meant, scale or own)))


def _meant(pixels: np.ndarray, frame: Frame, true_values: bool) -> np.ndarray:
    """What stored pixels stand for: slope × pixel + intercept, over (slope × scale slope) for Philips' true values."""
    slope, intercept = frame.rescale or (1.0, 0.0)
    values = slope * pixels.astype(float) + intercept
    return values / (slope * frame.scale_slope) if true_values and slope and frame.scale_slope else values


def _index(frame: Frame, to_voxel: np.ndarray, shape: Sequence[int]) -> tuple | None:
    """Indices that together give the (rows, columns) of a frame; None where it lies outside or between voxels."""
    if frame.place is None:
        return None
    corner, of_column, of_row = frame.place * TO_RAS
    start = to_voxel[:3, :3] @ corner + to_voxel[:3, 3]
    steps = np.stack([to_voxel[:3, :3] @ of_row, to_voxel[:3, :3] @ of_column])
    rounded = np.rint(steps)
    if np.abs(start - np.rint(start)).max() > WHOLE or np.abs(steps - rounded).max() * max(shape) > 1:
        return None
    rows, columns = (np.arange(size) for size in stored(frame).shape)
    index = [
        first + (down * rows[:, None] if down else 0) + (across * columns if across else 0)
        for first, down, across in zip(np.rint(start).astype(int), *rounded.astype(int), strict=True)
    ]
    inside = all(np.min(axis) >= 0 and np.max(axis) < size for axis, size in zip(index, shape, strict=True))
    return tuple(index) if inside else None


def _same(converted: np.ndarray, pixels: np.ndarray) -> bool:
    """Whether two slices are equal up to a scale, whose sign is positive, and an offset."""
    if scale := _scale(converted, pixels):
        return scale.slope > 0 and _scaled(converted, pixels, scale)
    return bool(np.ptp(converted) == np.ptp(pixels))


def _scale(converted: np.ndarray, pixels: np.ndarray) -> Scale | None:
    """The scale that takes the extremes of the pixels to their converted values; None where either has one value."""
    a, b = np.asarray(converted, float), np.asarray(pixels, float)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    low, high = b.argmin(), b.argmax()
    slope = float((a.flat[high] - a.flat[low]) / np.ptp(b))
    return Scale(slope, float(a.flat[low] - slope * b.flat[low]))


def _scaled(converted: np.ndarray, pixels: np.ndarray, scale: Scale) -> bool:
    """Whether converted values are the pixels in a scale."""
    a, b = np.asarray(converted, float), np.asarray(pixels, float)
    return bool(np.abs(a - scale.slope * b - scale.offset).max() <= SCALED * np.ptp(a))


def unproven(pairs: Iterable[Pair], staged: Staged, where: str) -> list[Problem]:
    """A problem for every pair of a single echo that may be a magnitude and the difference of two phases.

    A field map whose first magnitude is lost looks like one echo at the second echo time: what remains tells of more.
    """
    problems = []
    for pair in pairs:
        if len(pair.first.te_s) == 1 and pair.parts[1] == "phase" and (found := _more_echoes(pair, staged)):
            expected = "headers that prove magnitude and phase to be of the only echo of one acquisition"
            problems.append(Problem(f"{where}, series {listed(pair.numbers)}", expected, found))
    return problems


def _more_echoes(pair: Pair, staged: Staged) -> str | None:
    """What tells that a single echo was not alone, or that nothing tells it was."""
    of_one = "one echo is left of several: the phase may be the difference of two, as of a field map"
    frames = [frame for stack in pair for frame in frames_of(stack.first, staged.frames.get(stack.first.uid, ()))]
    numbers = {frame.echo for frame in frames}
    if beyond := sorted(n for n in numbers if n is not None and n > 1):
        return f"echo number {listed(beyond)} alone: {of_one}"
    facts = pair.second.first.facts
    if abs(facts.get("EchoTime2", 0) - pair.second.te_s[0]) <= SAME_TE_S:
        return f"a phase of two echo times, {facts.get('EchoTime1', 0):g} and {facts['EchoTime2']:g} s: {of_one}"
    if more := of_more_echoes(pair.first.first.facts) or of_more_echoes(facts):
        return f"{more}: {of_one}"
    classic = [frame for frame in frames if not frame.file.enhanced]
    if any(frame.echo is None for frame in classic):
        return f"no EchoNumbers (0018,0086), which an anonymiser may have removed; if {of_one}"
    # enhanced files have no such number, and of Siemens nothing but the sequence tells a difference of phases
    if may_be_siemens(facts) and any(frame.echo is None and not frame.file.sequence for frame in frames):
        return f"no PulseSequenceName (0018,9005), which an anonymiser may have removed; if {of_one}"
    return None


def is_lossy(image: Raw, staged: Staged) -> bool:
    """Whether the files of an image are compressed with loss, or once were."""
    return any(frame.file.lossy for frame in frames_of(image, staged.frames.get(image.uid, ())))


def lossy_parts(pairs: Iterable[Pair], staged: Staged, where: str) -> list[Problem]:
    """A problem for every part but a magnitude that lost information by compression."""
    expected = "phase, real and imaginary parts without lossy compression (export them anew without it)"
    return [
        Problem(f"{where}, series {listed(stack.numbers)} ({stack.first.part})", expected, "LossyImageCompression 01")
        for stack in (stack for pair in pairs for stack in pair)
        if stack.first.part != "mag" and any(is_lossy(image, staged) for image in stack.images)
    ]


def lost_echoes(pairs: Iterable[Pair], frames: Mapping[str, Sequence[Frame]], where: str) -> list[Problem]:
    """A problem for every part with fewer echoes than its enhanced files tell of: some were taken for slices."""
    expected = "an image for every echo time in enhanced DICOM files (export them as classic DICOM otherwise)"
    problems = []
    for stack in (stack for pair in pairs for stack in pair):
        if lost := _lost(stack, frames):
            part = f"{where}, series {listed(stack.numbers)} ({stack.first.part})"
            problems.append(Problem(part, expected, f"none for {', '.join(f'{te_s:g}' for te_s in lost)} s"))
    return problems


def _lost(stack: Stack, frames: Mapping[str, Sequence[Frame]]) -> list[float]:
    """Echo times [s] that enhanced files of a stack tell and no image has."""
    told = {f.te_s for image in stack.images for f in frames.get(image.uid, ()) if f.file.enhanced and f.te_s}
    return [te_s for te_s in sorted(told) if not np.isclose(te_s, stack.te_s, rtol=0, atol=SAME_TE_S).any()]
