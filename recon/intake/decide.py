"""Everything that only the voxels of a series tell: units, chopping, sign, and what is wrong with the images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from os.path import basename

import numpy as np

from recon.files.io import Volume, check_gzip, stored_dtype
from recon.intake.chop import alternation, chop_axis, correlations
from recon.intake.contents import (
    copy_problems,
    cut_problems,
    dtype_problems,
    order_notes,
    value_notes,
    value_problems,
)  # fmt: skip
from recon.intake.decisions import Decisions
from recon.intake.interpolation import interpolation_notes
from recon.intake.manufacturer import manufacturer
from recon.intake.phase_scale import (
    Observed,
    PhaseScale,
    exchanged_problems,
    observe,
    phase_scale,
    wraps_like_phase,
)  # fmt: skip
from recon.intake.read import as_problem, complex_signal, load_echo, name_of, polar
from recon.intake.scan import POLAR, Series
from recon.intake.sign import phase_sign
from recon.problems import IntakeError, Problem


@dataclass(frozen=True, kw_only=True)
class PrepareEchoes:
    """Config section `prepare_echoes`."""

    phase_sign: str | int
    phase_range: Sequence[float] | None
    slice_chop: str

    def __post_init__(self) -> None:
        ends = self.phase_range
        if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
            raise ValueError(f"prepare_echoes.phase_range: expected two ascending numbers, found {list(ends)}")


@dataclass(kw_only=True)
class _Seen:
    """What a pass over the echoes collects."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    signal: list[float] = field(default_factory=list)
    phases: list[Observed] = field(default_factory=list)
    wrapped: list[str] = field(default_factory=list)  # magnitudes that look like phase
    usable: np.ndarray | None = None  # (X, Y, Z) bool, finite in every image and with signal in the first


def decide(series: Series, params: PrepareEchoes) -> Decisions:
    """Decide how the voxels of a series become magnitude and phase. One echo is in memory at a time.

    Parameters
    ----------
    series : Series, whose headers are in order
    params : PrepareEchoes

    Raises
    ------
    IntakeError
        With every problem that was found.
    """
    _check_files(series)
    seen = _look(series, params)
    scale, units, notes = _units(series, seen, params)
    magnitude, phase_rad, affine = polar(series, scale, 0)
    signal = complex_signal(magnitude, phase_rad)
    where, vendor = name_of(series.images[1][0]), manufacturer(series.facts[0])
    axis, chop, chop_notes = chop_axis(correlations(signal), params.slice_chop, vendor, where)
    sign, convention, sign_notes = phase_sign(params.phase_sign, vendor)
    if axis is not None:
        signal *= alternation(signal.shape, axis)
    filled = interpolation_notes(signal, Volume(data=signal, affine=affine).voxel_size_mm)
    return Decisions(
        scale=scale,
        chop_axis=axis,
        phase_sign=sign,
        reasons={"PhaseUnits": units, "SliceChop": chop, "PhaseSign": convention},
        notes=(*seen.notes, *notes, *chop_notes, *sign_notes, *filled),
    )


def _check_files(series: Series) -> None:
    """Raise IntakeError with the files that are damaged or hold voxels of a wrong type."""
    problems = []
    for path in series.files:
        try:
            problems += dtype_problems(path, stored_dtype(path))
            if path.endswith(".gz"):
                check_gzip(path)
        except ValueError as error:
            problems.append(as_problem(error))
    if problems:
        raise IntakeError(problems)


def _look(series: Series, params: PrepareEchoes) -> _Seen:
    """One pass over all echoes; raises IntakeError with all problems of what they contain."""
    seen = _Seen()
    for echo in range(len(series.te_s)):
        try:
            parts = load_echo(series, echo)
        except IntakeError as error:
            seen.problems += error.problems
            continue
        for part, images, volume in zip(series.parts, series.images, parts, strict=True):
            _look_at_image(seen, part, name_of(images[echo]), volume.data)
        _look_at_echo(seen, series, echo, *(volume.data for volume in parts), params)
    seen.problems += copy_problems(seen.digests)
    if not seen.problems and not seen.usable.any():
        found = "none: NaN, infinity or zero in one image or another"
        seen.problems.append(Problem(series.files[0], "voxels with signal and finite in every echo", found))
    if not seen.problems:
        seen.problems += exchanged_problems(seen.wrapped, seen.phases)
    if seen.problems:
        raise IntakeError(seen.problems)
    seen.notes += order_notes([basename(name_of(image)) for image in series.images[0]], seen.signal)
    return seen


def _look_at_image(seen: _Seen, part: str, where: str, data: np.ndarray) -> None:
    """Contents of one image."""
    problems = value_problems(where, part, data)
    seen.problems += problems
    seen.notes += value_notes(basename(where), data)  # into sidecars, which tell no machine's folders
    if not problems:  # empty images are no copies of each other
        seen.digests[where] = hashlib.blake2b(np.ravel(data, order="F")).digest()


def _look_at_echo(
    seen: _Seen, series: Series, echo: int, first: np.ndarray, second: np.ndarray, params: PrepareEchoes
) -> None:
    """Contents of both parts of one echo together."""
    finite = np.isfinite(first) & np.isfinite(second)
    if seen.usable is None:
        seen.usable = (first != 0) & (finite if series.parts == POLAR else True)
    seen.usable &= finite
    with np.errstate(invalid="ignore", over="ignore"):
        strength = np.abs(first) if series.parts == POLAR else np.hypot(first, second)
        seen.signal.append(float(np.sum(strength, where=finite, dtype=float)))
    if series.parts == POLAR:
        where = [name_of(images[echo]) for images in series.images]
        _look_at_phase(seen, where, first, second, params)


def _look_at_phase(
    seen: _Seen, where: Sequence[str], magnitude: np.ndarray, phase: np.ndarray, params: PrepareEchoes
) -> None:
    """What phase and magnitude look like where they have no problems so far; `where` names both files."""
    if where[1] not in seen.digests:
        return
    seen.phases.append(observe(phase, where[1], params.phase_range))
    if where[0] in seen.digests:
        seen.problems += cut_problems(where[1], phase, magnitude)
        if wraps_like_phase(magnitude):
            seen.wrapped.append(where[0])


def _units(series: Series, seen: _Seen, params: PrepareEchoes) -> tuple[PhaseScale | None, str, tuple[str, ...]]:
    """Scale of the phase, the reason and notes."""
    if series.parts != POLAR:
        return None, "real and imaginary parts: the phase is that of the complex signal, in radians", ()
    return phase_scale(seen.phases, series.facts, params.phase_range)
