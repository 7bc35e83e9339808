"""Everything that only the voxels of a series tell: units, chopping, sign, and what is wrong with the images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os.path import basename
from typing import Any

import numpy as np

from recon.files.io import Volume
from recon.files.packed import checksums
from recon.intake.air import Air, air_notes, corners, look, look_at_parts
from recon.intake.alignment import place, place_notes, place_problems, sample_of
from recon.intake.chop import CLEAR, alternation, chop_axis, correlations
from recon.intake.contents import (
    Top,
    at_largest,
    copy_problems,
    cut_problems,
    decay_notes,
    noise_problems,
    order_notes,
    scale_notes,
    value_notes,
    value_problems,
)
from recon.intake.decisions import Decision, Decisions, PhaseScale
from recon.intake.ghosts import ghost_notes
from recon.intake.growth import (
    Places,
    angle_steps,
    growths,
    order_problems,
    places,
    relative_notes,
    sign_problems,
    steps,
)
from recon.intake.headers import form_notes
from recon.intake.interpolation import interpolation_notes
from recon.intake.main_field import main_field
from recon.intake.mirrored import mirror_problems
from recon.intake.phase_filter import Spread, phase_filter, spread
from recon.intake.phase_scale import Observed, exchanged_problems, observe, phase_scale, wraps_like_phase
from recon.intake.proof import lossy_notes
from recon.intake.protocol import gap_problems, protocol_notes
from recon.intake.read import StoredEcho, complex_signal, name_of, polar, stored_echoes
from recon.intake.scan import POLAR, Series
from recon.intake.sign import phase_sign
from recon.intake.slice_offsets import offset_axis
from recon.intake.vendors import vendor_of
from recon.problems import IntakeError, Problem, to_type


@dataclass(frozen=True, kw_only=True)
class PrepareEchoes:
    """Config section `prepare_echoes`."""

    phase_sign: str | int
    phase_range: Sequence[float] | None
    slice_chop: str
    phase_filter: str

    def __post_init__(self) -> None:
        ends = self.phase_range
        if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
            line = to_type("prepare_echoes.phase_range", "[LOW, HIGH]")
            raise ValueError(f"prepare_echoes.phase_range: expected two ascending numbers, found {list(ends)}: {line}")


@dataclass(kw_only=True)
class _Examined:
    """What a pass over the echoes collects."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digests: dict[str, tuple[int, int]] = field(default_factory=dict)
    signal: list[float] = field(default_factory=list)
    largest: list[Top] = field(default_factory=list)
    blocks: np.ndarray = field(default_factory=lambda: np.empty((0, 3), int))  # where air is looked for
    air: list[Air] = field(default_factory=list)
    phases: list[Observed] = field(default_factory=list)
    wrapping_magnitudes: list[str] = field(default_factory=list)
    mirrored: list[Problem] = field(default_factory=list)
    first: np.ndarray | None = None  # sample of the first magnitude
    places: list[Places] = field(default_factory=list)  # where phase is compared from echo to echo
    steps: list[list[np.ndarray]] = field(default_factory=list)  # of the phase as stored, of each echo
    usable: np.ndarray | None = None  # (X, Y, Z) bool, finite in every image and with signal in the first


def decide(
    series: Series, params: PrepareEchoes, keep: Callable[[StoredEcho], None] = lambda stored: None
) -> Decisions:
    """Decide how the voxels of a series become magnitude and phase. Every file is read once.

    Parameters
    ----------
    series : Series, whose headers are in order
    params : PrepareEchoes
    keep : called with each echo as it is stored; where it does nothing, the first echo and one more are in memory

    Raises
    ------
    IntakeError
        With every problem that was found.
    """
    examined, first, last = _examine_series(series, params, keep)
    voxel_size_mm = _voxel_size_mm(first)
    if problems := gap_problems(series.files[0], series.facts[0], voxel_size_mm):
        raise IntakeError(problems)
    units = _phase_units(series, examined, params)
    if examined.mirrored:
        raise IntakeError(examined.mirrored)
    together = _together(series, examined, units.value)
    extremes = [first] if last is first else [first, last]
    ends = [complex_signal(*polar(stored, units.value)) for stored in extremes]
    offsets = _slice_offsets(series, ends)
    chop, filled = _slices(series, ends[0], voxel_size_mm, params, offsets.value)
    filtered = (
        Decision(False, "none", "slices have kept phase offsets of their own")  # a filter would have taken them away
        if offsets.value is not None
        else _phase_filter(series, ends, chop.value, voxel_size_mm, params.phase_filter)
    )
    sign = phase_sign(params.phase_sign, vendor_of(series.facts[0]))
    decided: dict[str, Decision[Any]] = {
        "MainField": main_field(series.facts),
        "PhaseUnits": units,
        "PhaseFilter": filtered,
        "SliceOffsets": offsets,
        "SliceChop": chop,
        "PhaseSign": sign,
    }
    return Decisions(
        scale=units.value,
        filtered=filtered.value,
        offset_axis=offsets.value,
        chop_axis=chop.value,
        phase_sign=sign.value,
        reasons={name: str(decision) for name, decision in decided.items()},
        evidence={name: decision.evidence for name, decision in decided.items() if decision.evidence},
        notes=(
            *filtered.notes,
            *together,
            *offsets.notes,
            *ghost_notes(ends),
            *form_notes(first.first.header),
            *protocol_notes(series, voxel_size_mm),
            *examined.notes,
            *lossy_notes(series.facts),
            *units.notes,
            *chop.notes,
            *sign.notes,
            *filled,
        ),
    )


def _voxel_size_mm(stored: StoredEcho) -> list[float]:
    return Volume(data=np.empty(0), affine=stored.first.header.affine).voxel_size_mm.tolist()


def _examine_series(
    series: Series, params: PrepareEchoes, keep: Callable[[StoredEcho], None]
) -> tuple[_Examined, StoredEcho, StoredEcho]:
    """One pass over all echoes, with the first and the last; IntakeError with all problems of what they contain."""
    examined, first, last = _Examined(), None, None
    for stored in stored_echoes(series):
        first, last = first or stored, stored
        _examine_echo(examined, series, stored, params)
        keep(stored)
    problems = examined.problems + copy_problems(examined.digests)
    if not problems and (examined.usable is None or not examined.usable.any()):
        found = "none: NaN, infinity or zero in one image or another"
        problems = [Problem(series.files[0], "voxels with signal and finite in every echo", found)]
    problems = problems or exchanged_problems(examined.wrapping_magnitudes, examined.phases)
    if problems or first is None or last is None:
        raise IntakeError(problems)
    names = [basename(name_of(image)) for image in series.images[0]]
    scales = scale_notes(names, examined.largest) if series.parts == POLAR else []
    scales += air_notes(names, examined.air, series.facts)
    told = [*order_notes(names, examined.signal), *scales]
    examined.notes += told or decay_notes(series.te_s, examined.signal)
    return examined, first, last


def _examine_echo(examined: _Examined, series: Series, stored: StoredEcho, params: PrepareEchoes) -> None:
    """Contents of both images of an echo, each for itself and together."""
    names = [name_of(images[stored.echo]) for images in series.images]
    first, second = stored.first.values(), stored.second.values()
    for part, name, data in zip(series.parts, names, (first, second), strict=True):
        _examine_image(examined, part, name, data)
    finite = np.isfinite(first) & np.isfinite(second)
    if examined.usable is None:
        examined.usable = (first != 0) & (finite if series.parts == POLAR else True)
    examined.usable &= finite
    with np.errstate(invalid="ignore", over="ignore"):
        strength = np.abs(first) if series.parts == POLAR else np.hypot(first, second)
        examined.signal.append(float(np.sum(strength, where=finite, dtype=float)))
    _examine_place(examined, names[0], strength)
    if not examined.steps:
        examined.places = places(strength, _voxel_size_mm(stored))
        examined.blocks = corners(strength.shape)
    at, blocks = examined.places, examined.blocks
    examined.steps.append(steps(second, at) if series.parts == POLAR else angle_steps(first, second, at))
    examined.air.append(look(first, second, blocks) if series.parts == POLAR else look_at_parts(first, second, blocks))
    if series.parts == POLAR:
        examined.largest.append(at_largest(first))
        _examine_phase(examined, names, first, second, params)


def _examine_place(examined: _Examined, where: str, magnitude: np.ndarray) -> None:
    """Whether an echo lies where the first one lies; `where` names its first file."""
    sample = sample_of(magnitude)
    if examined.first is None:
        examined.first = sample
        return
    found = place(examined.first, sample)
    examined.problems += place_problems(where, found)
    examined.notes += place_notes(basename(where), found)


def _examine_image(examined: _Examined, part: str, where: str, data: np.ndarray) -> None:
    """Contents of one image."""
    problems = value_problems(where, part, data)
    examined.problems += problems
    examined.notes += value_notes(basename(where), data)  # into sidecars, which tell no machine's folders
    if not problems:  # empty images are no copies of each other
        examined.digests[where] = checksums(data)


def _examine_phase(
    examined: _Examined, where: Sequence[str], magnitude: np.ndarray, phase: np.ndarray, params: PrepareEchoes
) -> None:
    """What phase and magnitude look like where they have no problems so far; `where` names both files."""
    if where[1] not in examined.digests:
        return
    examined.phases.append(observe(phase, where[1], params.phase_range))
    if where[0] in examined.digests:
        examined.problems += cut_problems(where[1], phase, magnitude) or noise_problems(where[1], phase, magnitude)
        examined.mirrored += mirror_problems(magnitude, phase, where[1], examined.phases[-1].own.span)
        if wraps_like_phase(magnitude):
            examined.wrapping_magnitudes.append(where[0])


def _phase_units(series: Series, examined: _Examined, params: PrepareEchoes) -> Decision[PhaseScale | None]:
    """Scale of the phase; None where the parts are real and imaginary."""
    if series.parts != POLAR:
        return Decision(None, "the phase is that of the complex signal, in radians", "real and imaginary parts")
    scale = phase_scale(examined.phases, series.facts, params.phase_range)
    return Decision(scale.value, scale.reason, scale.evidence, scale.notes)


def _together(series: Series, examined: _Examined, scale: PhaseScale | None) -> tuple[str, ...]:
    """Notes on how the phase of the echoes grows with TE; IntakeError where one has another sign or place."""
    found = growths(examined.steps, 1.0 if scale is None else scale.slope)
    names = [name_of(image) for image in series.images[1]]
    if problems := sign_problems(names, found) or order_problems(names, found, series.te_s, examined.signal):
        raise IntakeError(problems)
    return tuple(relative_notes(found, series.te_s))


def _slice_offsets(series: Series, ends: Sequence[np.ndarray]) -> Decision[int | None]:
    """The axis along which slices have phase offsets of their own, from the signal of the first and the last echo."""
    te_s = [series.te_s[0], series.te_s[-1]][: len(ends)]
    return offset_axis(ends, te_s, series.facts[0].get("MRAcquisitionType"), name_of(series.images[1][0]))


def _slices(
    series: Series,
    signal: np.ndarray,
    voxel_size_mm: Sequence[float],
    params: PrepareEchoes,
    offset_axis: int | None,
) -> tuple[Decision[int | None], tuple[str, ...]]:
    """The axis along which slices alternate in sign, and notes on zero-filled axes, from the first echo's signal."""
    where, vendor = name_of(series.images[1][0]), vendor_of(series.facts[0])
    found = correlations(signal)
    if params.slice_chop == "auto" and offset_axis is not None and abs(found[offset_axis]) <= CLEAR:
        chop = Decision[int | None](None, "slices left as they are: a half turn is part of the offset that is removed")
    else:
        chop = chop_axis(found, params.slice_chop, vendor, where)
    if chop.value is not None:
        signal = signal * alternation(signal.shape, chop.value)
    return chop, interpolation_notes(signal, voxel_size_mm)


def _phase_filter(
    series: Series,
    ends: Sequence[np.ndarray],
    chop: int | None,
    voxel_size_mm: Sequence[float],
    setting: str,
) -> Decision[bool]:
    """Whether the phase may be filtered, from the last echo and, where there are several, the first."""

    def found(signal: np.ndarray) -> Spread | None:
        return spread(signal if chop is None else signal * alternation(signal.shape, chop), voxel_size_mm)

    where = name_of(series.images[1][-1])
    first = found(ends[0]) if len(ends) > 1 else None
    return phase_filter(found(ends[-1]), series.facts[-1], series.te_s[-1], where, setting, first)
