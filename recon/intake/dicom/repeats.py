"""Several images of one place, echo and part in a series: copies, repetitions, single coils."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from recon.intake.dicom.frames import COIL_SOURCES, SINGLE_COILS, Frame

UNTOLD = "{most} images of one echo, part and place, which no header tells apart"
PARTLY = "several images of one echo, part and place, but not at all places: a stray or a lost file"
MIXED = "slices of several acquisitions in one image"


@dataclass(kw_only=True)
class Repeated:
    """What the frames of one series make: its repetitions, copies left out, and what is wrong with it."""

    runs: list[list[Frame]] = field(default_factory=list)
    copies: int = 0
    fault: str | None = None


def repeated(frames: Iterable[Frame], pixels: Callable[[Frame], bytes | None]) -> Repeated:
    """Part the frames of one series into repetitions.

    Parameters
    ----------
    frames : of one series, in the order of its files
    pixels : gives the pixels of a frame, needed only where several lie at one place; None where they are broken
    """
    groups: defaultdict[tuple, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[frame.image, None if frame.place is None else tuple(frame.place.round(3).ravel())].append(frame)
    result = Repeated()
    places = {key: _distinct(group, pixels) for key, group in groups.items()}
    result.copies = sum(map(len, groups.values())) - sum(map(len, places.values()))
    most = max(map(len, places.values()), default=0)
    if most > 1:
        result.runs, result.fault = _parted(places)
    else:
        result.runs = [[frame for group in places.values() for frame in group]]
        result.fault = _mixed(result.runs[0])
    return result


def _distinct(group: Sequence[Frame], pixels: Callable[[Frame], bytes | None]) -> list[Frame]:
    """The frames of one place without those whose pixels another has."""
    if len(group) == 1:
        return list(group)
    first: dict[tuple, Frame] = {}
    broken = []
    times = {_number(frame.acquisition[2])[0] for frame in group if frame.acquisition[2]}
    for frame in group:
        if (content := pixels(frame)) is None:
            broken.append(frame)
        else:  # a frame of another time is no copy, were it equal
            first.setdefault((content, _number(frame.acquisition[2])[0] if len(times) > 1 else 0), frame)
    whole = {frame.acquisition for frame in first.values()}  # a broken copy of one of these is not needed
    return [*first.values(), *{f.acquisition: f for f in broken if f.acquisition not in whole}.values()]


def _parted(places: dict[tuple, list[Frame]]) -> tuple[list[list[Frame]], str | None]:
    """Frames by repetition, and what is wrong where there is no telling."""
    everything = [[frame for group in places.values() for frame in group]]
    several = [group for group in places.values() if len(group) > 1]
    most = max(map(len, several))
    for source in range(len(COIL_SOURCES)):
        if all(_differ([frame.coil[source] for frame in group]) for group in several):
            return everything, SINGLE_COILS
    for field_ in range(3):  # number, temporal position, time of the acquisition
        if all(_differ([frame.acquisition[field_] for frame in group]) for group in several):
            if any(len(group) != most for group in places.values()):
                return everything, PARTLY
            runs: list[list[Frame]] = [[] for _ in range(most)]
            for group in places.values():
                for run, frame in zip(runs, sorted(group, key=lambda f: _number(f.acquisition[field_])), strict=True):
                    run.append(frame)
            return runs, next((fault for run in runs if (fault := _mixed(run))), None)
    return everything, UNTOLD.format(most=most) if len({len(g) for g in places.values()}) == 1 else PARTLY


def _differ(values: Sequence[str]) -> bool:
    """Whether all values are told and differ."""
    return all(values) and len(set(values)) == len(values)


def _number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def _mixed(frames: Iterable[Frame]) -> str | None:
    """What is wrong where the slices of a 3-D image tell of several acquisitions."""
    told: defaultdict[tuple, set[tuple[str, str]]] = defaultdict(set)
    for frame in frames:
        if frame.file.volumetric:
            told[frame.image].add(frame.acquisition[:2])
    return MIXED if any(len(values) > 1 for values in told.values()) else None
