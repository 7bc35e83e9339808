"""Raw phase values → radians, from what the files say of them; the values themselves only confirm it.

In this order: config `prepare_echoes.phase_range`, the sidecar's `Units`, the vendor; where all are silent, values that
span exactly -pi..pi, with a note. A range is taken only if the
values of all echoes lie in it, reach both its ends, spread over the whole circle and jump between its ends from voxel
to voxel, as wrapped phase does and a magnitude or a map in other units does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recon.intake.decisions import Decision, PhaseScale
from recon.intake.facts import shown
from recon.intake.vendors import MILLIRADIANS, RADIANS, VENDORS, Range, vendor_of
from recon.maths.finite import finite_part
from recon.maths.pieces import slice_pairs
from recon.problems import IntakeError, Problem, to_type

POSITIVE_RADIANS, POSITIVE_MILLIRADIANS = Range(0, 2 * np.pi), Range(0, 2000 * np.pi)
UNITS = {  # BIDS unit: radians in one, and what wrapped phase then fills
    "rad": (1.0, (RADIANS, POSITIVE_RADIANS)),
    "mrad": (1e-3, (MILLIRADIANS, POSITIVE_MILLIRADIANS)),
}
KNOWN = frozenset(
    [turn for vendor in VENDORS.values() for turn in vendor.phase_ranges]
    + [turn for _, turns in UNITS.values() for turn in turns]
)

SLACK = 0.002  # of a turn, by which rounded files pass the ends
REACH = 0.98  # of a turn, between the lowest and the highest value; measured: 0.9997 (Philips) and more
ARCS, ARCS_FILLED = 32, 0.9  # share of the circle's arcs that hold voxels
WRAPS = 1e-4  # share of unlike neighbours more than 3/4 turn apart; measured: 0.002 to 0.06, in magnitudes none
LEAST = 0.1  # of a turn, that the phase of any head exceeds within an echo
BETWEEN = ", between which they wrap"  # of extremes
SAMPLES = 2**18  # voxels of an echo that are sorted into arcs
EXACT = (
    0.001  # of a turn, by which values of no known unit may miss its ends; measured: 0.0002 in one echo of 8,000 voxels
)
LOOKS = (  # values that span exactly this look like phase of this unit, which only the user can confirm
    ("radians", RADIANS),
    ("radians", POSITIVE_RADIANS),
    ("degrees", Range(-180, 180)),
    ("degrees", Range(0, 360)),
    ("half turns", Range(-1, 1)),
    ("turns", Range(-0.5, 0.5)),
    ("turns", Range(0, 1)),
    *(
        (f"pixels of {bits} bits", Range(low, low + 2**bits))
        for bits in (12, 13, 16)
        for low in (0, -(2 ** (bits - 1)))
    ),
)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the finite values of one phase image, or of several, look like.

    Parameters
    ----------
    where : file for messages
    low, high : extremes
    arcs : for the known ranges that hold all values, and the one between the extremes, which of `ARCS` arcs of the
        circle hold voxels
    wraps : for each such range, the share of unlike neighbouring voxels that differ by more than 3/4 turn
    """

    where: str
    low: float
    high: float
    arcs: dict[Range, np.ndarray]
    wraps: dict[Range, float]

    def __str__(self) -> str:
        return f"values from {self.low:.6g} to {self.high:.6g}"

    @property
    def own(self) -> Range:
        """From the lowest to the highest value."""
        return Range(self.low, self.high)

    def fill(self, turn: Range) -> float:
        """Distance of the extremes as a share of a turn."""
        return (self.high - self.low) / turn.span

    def fills(self, turn: Range) -> bool:
        """Whether the values look like wrapped phase that one turn takes `turn` for."""
        return (
            turn in self.arcs
            and self.fill(turn) >= REACH
            and self.arcs[turn].mean() >= ARCS_FILLED
            and self.wraps[turn] >= WRAPS
        )


def observe(raw: np.ndarray, where: str, phase_range: Sequence[float] | None) -> Observed:
    """Look at one (X, Y, Z) phase image that is not constant; NaN and Inf do not count.

    Parameters
    ----------
    raw : as stored
    where : file for messages
    phase_range : config `prepare_echoes.phase_range`, looked for beside the known ranges
    """
    finite = finite_part(raw)
    low, high = float(finite.min()), float(finite.max())
    given = () if phase_range is None else (Range(*map(float, phase_range)),)
    turns = [turn for turn in {*KNOWN, *given, Range(low, high)} if _within(low, high, turn)]
    sample = finite.flat[:: max(1, finite.size // SAMPLES)]
    return Observed(
        where=where,
        low=low,
        high=high,
        arcs={turn: _arcs(sample, turn) for turn in turns},
        wraps=_wraps(slice_pairs(raw), turns),
    )


def _within(low: float, high: float, turn: Range) -> bool:
    return low >= turn.low - SLACK * turn.span and high <= turn.high + SLACK * turn.span


def _arcs(values: np.ndarray, turn: Range) -> np.ndarray:
    """(ARCS,) bool, which arcs of the circle hold values."""
    with np.errstate(over="ignore", invalid="ignore"):  # a turn beyond what float32 holds
        return np.histogram(np.clip(values, *turn), ARCS, range=turn)[0] > 0


def _wraps(raw: np.ndarray, turns: Iterable[Range]) -> dict[Range, float]:
    """Of neighbours that differ, the share that differs by more than 3/4 turn; a mask does not count.

    `raw`: (X, Y, Z, part), whose parts are no neighbours.
    """
    counts, pairs = dict.fromkeys(turns, 0), 0
    for axis in range(3):
        with np.errstate(invalid="ignore", over="ignore"):  # Inf - Inf
            jump = np.diff(raw, axis=axis)
        np.abs(jump, out=jump)
        known = np.isfinite(jump)
        pairs += int(np.count_nonzero(jump))
        for turn in counts:
            counts[turn] += int(np.count_nonzero(known & (jump > 0.75 * turn.span)))
    return {turn: count / max(pairs, 1) for turn, count in counts.items()}


def pooled(echoes: Sequence[Observed]) -> Observed:
    """All echoes of a series as one."""
    turns = set.intersection(*(set(echo.arcs) for echo in echoes))
    return Observed(
        where=echoes[0].where,
        low=min(echo.low for echo in echoes),
        high=max(echo.high for echo in echoes),
        arcs={turn: np.logical_or.reduce([echo.arcs[turn] for echo in echoes]) for turn in turns},
        wraps={turn: float(np.mean([echo.wraps[turn] for echo in echoes])) for turn in turns},
    )


def phase_scale(
    echoes: Sequence[Observed], facts: Sequence[Mapping], phase_range: Sequence[float] | None
) -> Decision[PhaseScale]:
    """Scale of a series' phase, with the evidence.

    Parameters
    ----------
    echoes : the phase image of each echo, see `observe`
    facts : the sidecars of each echo
    phase_range : config `prepare_echoes.phase_range`: raw values of -pi and pi, or None

    Raises
    ------
    IntakeError
        Where no evidence says what the values mean, or the values contradict it.
    """
    whole = pooled(echoes)
    candidates, evidence = _from_config(phase_range) if phase_range is not None else _from_sidecar(facts)
    notes: tuple[str, ...] = ()
    if not candidates and _untold(facts) and _is_radians(whole):
        candidates, evidence = {RADIANS: PhaseScale(1.0, 0.0)}, f"{evidence}, but {whole}"
        notes = (f"phase: taken for radians, as {whole} wrap at ±pi; say so by Units: rad in the sidecars",)
    if not candidates:
        raise IntakeError([_unknown(whole, evidence)])
    fitting = [turn for turn in candidates if whole.fills(turn)]
    if phase_range is not None and not fitting:
        fitting, notes = _unconfirmed(whole, *candidates)
    if len(fitting) != 1:
        raise IntakeError([_misfit(echoes, whole, candidates, evidence, _choice(whole))])
    (turn,) = fitting
    if problems := [_odd(echo, turn, evidence) for echo in echoes if _is_odd(echo, turn)]:
        raise IntakeError(problems)
    share = min(whole.fill(turn), 1.0)
    evidence = f"{evidence}; the values fill {share:.1%} of it"
    return Decision(candidates[turn], f"{turn} is one turn", evidence, notes)


def radians_notes(echoes: Sequence[Observed]) -> tuple[str, ...]:
    """Notes on phase that must be radians, as whoever wrote it says.

    Values that leave a part of the turn empty, as where TE is short, are taken at that word, with a note.

    Parameters
    ----------
    echoes : the phase image of each echo, see `observe`

    Raises
    ------
    IntakeError
        Where values lie beyond one turn in radians, or wrap within it: they have another unit or are unwrapped.
    """
    whole, (_, turns) = pooled(echoes), UNITS["rad"]
    inside = [turn for turn in turns if turn in whole.arcs]
    if not inside:
        raise IntakeError([_misfit(echoes, whole, turns, "radians", _as_radians(whole))])
    turn = next(filter(whole.fills, inside), inside[0])
    if wrapping := [echo for echo in echoes if _wraps_elsewhere(echo, turn)]:
        expected = f"wrapped phase of which {turn} is one turn (radians); {_as_radians(pooled(wrapping))}"
        raise IntakeError([Problem(echo.where, expected, f"{echo}{BETWEEN}") for echo in wrapping])
    if whole.fills(turn):
        return ()
    return (f"phase: {whole} fill {whole.fill(turn):.0%} of a turn and do not confirm that they are radians",)


def _as_radians(whole: Observed) -> str:
    """What makes radians of the values; of those of a unit that looks like theirs, the numbers."""
    for unit, turn in LOOKS:
        if turn not in UNITS["rad"][1] and _ends_at(whole, turn):
            slope, intercept = _scale(turn)
            offset = f" {intercept:+.6g}" if "pixels" in unit else ""  # of other units zero is zero
            return f"if these are {unit}, the phase is {slope:.6g} * value{offset}"
    return "store it in radians, not unwrapped"


def _scale(turn: Range) -> PhaseScale:
    """-pi..pi over `turn`."""
    slope = 2 * np.pi / turn.span
    return PhaseScale(slope, -np.pi - slope * turn.low)


def _from_config(phase_range: Sequence[float]) -> tuple[dict[Range, PhaseScale], str]:
    turn = Range(*map(float, phase_range))
    return {turn: _scale(turn)}, "config prepare_echoes.phase_range"


def _from_sidecar(facts: Sequence[Mapping]) -> tuple[dict[Range, PhaseScale], str]:
    """Ranges that `Units` or the vendor allow, none where neither is known, and which of the two said so."""
    said = {shown(fact.get("Units")): fact.get("Units") for fact in facts}
    vendors = [vendor_of(fact) for fact in facts]
    makers = {vendor.name if vendor else "None" for vendor in vendors}
    if len(said) > 1 or len(makers) > 1:
        both = f"Units {', '.join(sorted(said))} and Manufacturer {', '.join(sorted(makers))}"
        return {}, f"{both} in one series"
    (units,), vendor = said.values(), vendors[0]
    if isinstance(units, str) and units in UNITS:
        rad, turns = UNITS[units]
        return dict.fromkeys(turns, PhaseScale(rad, 0.0)), f"Units {units}"
    if vendor and vendor.phase_ranges and units in (None, "arbitrary"):
        return {turn: _scale(turn) for turn in vendor.phase_ranges}, f"Manufacturer {vendor.name}"
    return {}, f"Units {shown(units)} and Manufacturer {shown(facts[0].get('Manufacturer'))}"


def _untold(facts: Sequence[Mapping]) -> bool:
    """Whether no sidecar says anything of the unit, as of the field's simulators and of programs that unwrap."""
    return all(fact.get("Units") is None and vendor_of(fact) is None for fact in facts)


def _is_radians(whole: Observed) -> bool:
    """Whether values of no known unit span exactly -pi..pi and wrap there: no other unit has these ends."""
    ends = (RADIANS.low - whole.low, RADIANS.high - whole.high)
    return whole.fills(RADIANS) and max(map(abs, ends)) <= EXACT * RADIANS.span


def _choice(whole: Observed) -> str:
    """How to say what the values are; with their ends where these are those of a unit."""
    for unit, turn in LOOKS:
        if _ends_at(whole, turn):
            ends = f"[{turn.low:.9g}, {turn.high:.9g}]"
            return f"if these are {unit}, say so: {to_type('prepare_echoes.phase_range', ends)}"
    line = to_type("prepare_echoes.phase_range", "[LOW, HIGH]")
    return f"if these are phase, say which values stand for -pi and pi: {line}"


def _ends_at(whole: Observed, turn: Range) -> bool:
    """Whether the extremes are the ends of a turn, but for rounding."""
    return max(abs(whole.low - turn.low), abs(whole.high - turn.high)) <= SLACK * turn.span


def _unknown(whole: Observed, evidence: str) -> Problem:
    expected = "Units: rad or a known Manufacturer, the same in all echoes' sidecars"
    return Problem(whole.where, expected, f"{evidence} with {whole}; {_choice(whole)}")


def _misfit(echoes: Sequence[Observed], whole: Observed, turns: Iterable[Range], evidence: str, remedy: str) -> Problem:
    """Why no range is confirmed by the values; names the echo that reaches furthest."""
    furthest = max(echoes, key=lambda echo: max(abs(echo.low), abs(echo.high)))
    expected = f"wrapped phase that fills {' or '.join(map(str, turns))} ({evidence}); {remedy}"
    inside = [turn for turn in turns if turn in whole.arcs]
    detail = [
        f"{whole.fill(turn):.1%} of {turn}, {whole.arcs[turn].mean():.0%} of its arcs, {whole.wraps[turn]:.2%} wraps"
        for turn in inside
    ]
    return Problem(furthest.where, expected, "; ".join([f"{whole} over {len(echoes)} echoes", *detail]))


def _unconfirmed(whole: Observed, turn: Range) -> tuple[list[Range], tuple[str, ...]]:
    """The range of the config with a note that the values leave it partly empty; none where they pass it."""
    if turn not in whole.arcs:
        return [], ()
    return [turn], (f"phase: {whole} fill {whole.fill(turn):.0%} of prepare_echoes.phase_range and do not confirm it",)


def _is_odd(echo: Observed, turn: Range) -> bool:
    """Whether an echo is not on the scale of `turn`: almost constant, or wrapped between other values."""
    return echo.fill(turn) < LEAST or _wraps_elsewhere(echo, turn)


def _wraps_elsewhere(echo: Observed, turn: Range) -> bool:
    """Whether an echo wraps between values that are no ends of `turn`."""
    return echo.fill(turn) < REACH and echo.fills(echo.own)


def _odd(echo: Observed, turn: Range, evidence: str) -> Problem:
    wrapped = BETWEEN if echo.fills(echo.own) else ""
    return Problem(echo.where, f"phase of which {turn} is one turn in every echo ({evidence})", f"{echo}{wrapped}")


def wraps_like_phase(magnitude: np.ndarray) -> bool:
    """Whether a (X, Y, Z) magnitude jumps from its lowest to its highest value and back; zeros do not count."""
    seen = slice_pairs(magnitude)
    signal = np.where(np.isfinite(seen) & (seen != 0), seen, np.nan)
    if np.isnan(signal).all():  # of slices without signal between those with it
        return False
    own = Range(float(np.nanmin(signal)), float(np.nanmax(signal)))
    return _wraps(signal, [own])[own] >= WRAPS


def exchanged_problems(wrapped: Iterable[str], phases: Iterable[Observed]) -> list[Problem]:
    """Problems of magnitudes that wrap, named in `wrapped`, beside phase that does not and may be a magnitude.

    A sharp edge alone is none.
    """
    smooth = [phase.where for phase in phases if phase.low >= 0 and phase.wraps[phase.own] < WRAPS]
    return [
        Problem(
            where,
            "a magnitude",
            f"values that wrap; and in {smooth[0]} none, as if exchanged: exchange part-mag and part-phase in "
            "their names",
        )
        for where in wrapped
        if smooth
    ]
