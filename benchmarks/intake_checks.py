"""What the checks of the signal measure in heads: `python -m benchmarks.intake_checks HEADS` writes intake_checks.tsv.

HEADS is a folder of `benchmarks.generators`. A check is a number with a limit. It is taken of every head as it is, and
with changes: faults that the check is there for, and what is true and must not be taken for one. A row a check and
change: the limit, how many heads were judged, the lowest and the highest number, and how many of them are beyond the
limit. A fault that no head shows and a true change that a head shows are printed at the end, and the exit status is 1.
SYNTHETIC DATA.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import signal_faults as faults
from benchmarks.heads import read_head
from benchmarks.signal_faults import Scan
from benchmarks.usage import ROOT
from recon.check import evenness
from recon.files.tables import write_table
from recon.intake import air, alignment, contents, ghosts, growth, mirrored, phase_filter, slice_offsets
from recon.maths.pieces import slice_pairs
from recon.maths.wrap import wrap

AS_IT_IS = "as it is"
NOISE_SNR = 10.0  # of the brain in the first echo, the true change of all heads

Change = Callable[[Scan], Scan]


class Check(NamedTuple):
    """A number of a scan, None where it is not judged, and its limit.

    Parameters
    ----------
    above : whether faults lie above the limit
    faults, true : changes by name
    """

    name: str
    value: Callable[[Scan], float | None]
    limit: float
    above: bool
    faults: Mapping[str, Change]
    true: Mapping[str, Change] = {}


def signals(scan: Scan) -> list[np.ndarray]:
    """(X, Y, Z) complex, of the first and the last echo."""
    turned = (np.exp(1j * scan.phase_rad[..., echo].astype(np.complex64)) for echo in (0, -1))
    return [scan.magnitude[..., echo].astype(np.float32) * phase for echo, phase in zip((0, -1), turned, strict=True)]


def filter_ratio(scan: Scan, echo: int) -> float | None:
    """Spread of the phase between blocks over that within them."""
    found = phase_filter.spread(signals(scan)[echo], scan.head.acquisition.voxel_size_mm)
    return None if found is None or found.flat else found.ratio


def uneven_rad(scan: Scan, *, growing: bool) -> float:
    """How uneven the steps between slices are at TE = 0, or in the last echo what grows with TE [rad]."""
    ends, te_s = signals(scan), [scan.te_s[0], scan.te_s[-1]]
    inside = slice_offsets.strong(np.abs(ends[-1]))
    lines = [slice_offsets.steps(ends, te_s, inside, axis) for axis in range(3)]
    return max(slice_offsets.unevenness(rate * te_s[-1] if growing else common) for rate, common in lines)


def half_ghost(scan: Scan) -> float:
    """Amplitude of what is repeated half a field of view away, the lesser of the first and the last echo."""
    return max(min(ghosts.half_ghost(end, axis) for end in signals(scan)) for axis in range(3))


def other_ghost(scan: Scan) -> float:
    """Amplitude of what the last echo repeats in the dark."""
    return max(ghosts.shifted_ghost(signals(scan)[-1], axis)[0] for axis in range(3))


def mirrored_by(scan: Scan) -> float:
    """By how much better phase agrees in the mirror image of the magnitude than as it lies, along the worst axis."""
    magnitude, phase = slice_pairs(scan.magnitude[..., 0]), slice_pairs(scan.phase_rad[..., 0])
    found = (
        [mirrored.agreement(phase, part, 1.0)[0] for part in parts] for parts in mirrored.regions(magnitude, phase)
    )
    return max(there - here for here, there in found)


def elsewhere_by(scan: Scan) -> float:
    """By how much an echo correlates better with the first one's mirror image than as it lies, the worst echo."""
    first, *others = (alignment.sample_of(scan.magnitude[..., echo]) for echo in scan.echoes)
    places = [alignment.place(first, other) for other in others]
    return max(place.mirrored[0] - place.here for place in places)


def least_coherence(scan: Scan) -> float | None:
    """Agreement of the phase of neighbours, of the worst echo."""
    found = [contents.coherence(scan.phase_rad[..., echo], scan.magnitude[..., echo]) for echo in scan.echoes]
    return min((value for value in found if value is not None), default=None)


def growths(scan: Scan) -> list[growth.Growth]:
    """What the steps of all echoes tell, in the parts of the image."""
    at = growth.places(scan.magnitude[..., 0], scan.head.acquisition.voxel_size_mm)
    return growth.growths([growth.steps(scan.phase_rad[..., echo], at) for echo in scan.echoes], 1.0)


def signs_refused(scan: Scan) -> float | None:
    """1 where an echo is said to have the wrong sign."""
    found = growths(scan)
    return float(bool(growth.sign_problems(names(scan), found))) if found else None


def order_refused(scan: Scan) -> float | None:
    """1 where echoes are said to be exchanged."""
    found = growths(scan)
    signal = scan.magnitude.sum(axis=(0, 1, 2), dtype=float)
    return (
        float(bool(growth.order_problems(names(scan), found, scan.te_s.tolist(), signal.tolist()))) if found else None
    )


def names(scan: Scan) -> list[str]:
    return [f"echo {echo + 1}" for echo in scan.echoes]


def air_variation(scan: Scan) -> float | None:
    """Median variation of the magnitude in blocks of air, the largest of the echoes."""
    at = air.corners(scan.brain.shape)
    looks = [air.look(scan.magnitude[..., echo], scan.phase_rad[..., echo], at) for echo in scan.echoes]
    noise = np.logical_and.reduce([look.noise for look in looks])
    if np.count_nonzero(noise) < air.LEAST:
        return None
    return max(float(np.median(look.variation[noise])) for look in looks)


def dimmest_part(scan: Scan) -> float:
    """Signal in the dimmest part of the true brain, as the page judges it."""
    return evenness.dimmest(scan.magnitude[..., 0], scan.brain, scan.head.acquisition.voxel_size_mm)


def noisy(scan: Scan) -> Scan:
    """With noise on top."""
    sd = float(np.median(scan.magnitude[..., 0][scan.brain])) / NOISE_SNR
    real, imaginary = faults.rng().normal(0, sd, (2, *scan.magnitude.shape))
    return scan.given(scan.signal + real + 1j * imaginary)


def slices_apart(scan: Scan, sd_rad: float) -> Scan:
    """Slices with an offset each, the same in all echoes."""
    drawn = faults.rng().normal(0, sd_rad, scan.brain.shape[2])
    return scan.turned(lambda _: drawn)


def lines_apart(scan: Scan, half_turns: float) -> Scan:
    """Odd and even lines of k-space apart in phase."""
    n = scan.brain.shape[1]
    return scan.lines(lambda k, _: np.exp(1j * np.pi * half_turns * (np.rint(k * n) % 2 - 0.5)), 1)


def flipped_phase(scan: Scan, axis: int) -> Scan:
    """Phase that was mirrored, beside a magnitude that was not."""
    return replace(scan, phase_rad=np.flip(scan.phase_rad, axis))


def flipped_echo(scan: Scan, axis: int) -> Scan:
    """The second echo mirrored."""
    return of_echoes(scan, lambda echo, image: np.flip(image, axis) if echo == 1 else image)


def random_echo(scan: Scan) -> Scan:
    """Phase of noise in the last echo."""
    phase = scan.phase_rad.copy()
    phase[..., -1] = faults.rng().uniform(-np.pi, np.pi, scan.brain.shape)
    return replace(scan, phase_rad=phase)


def wrong_sign(scan: Scan, echo: int) -> Scan:
    """One echo of the other sign; counted from the last one."""
    phase = scan.phase_rad.copy()
    phase[..., -1 - echo] *= -1
    return replace(scan, phase_rad=phase)


def exchanged(scan: Scan, *, images: bool) -> Scan:
    """The first two echoes in each other's place, their phases alone or both images."""
    order = [1, 0, *scan.echoes[2:]]
    magnitude = scan.magnitude[..., order] if images else scan.magnitude
    return replace(scan, magnitude=magnitude, phase_rad=scan.phase_rad[..., order])


def of_echoes(scan: Scan, change: Callable[[int, np.ndarray], np.ndarray]) -> Scan:
    """Both images of every echo changed in the same way."""
    both = (scan.magnitude, scan.phase_rad)
    done = [np.stack([change(echo, image[..., echo]) for echo in scan.echoes], axis=-1) for image in both]
    return replace(scan, magnitude=done[0], phase_rad=done[1])


def squared(scan: Scan) -> Scan:
    """Squared magnitudes."""
    return replace(scan, magnitude=scan.magnitude**2)


FILTERS = {f"homodyne, window of {mm:g} mm": partial(faults.filtered, window_mm=mm) for mm in (3.5, 7.0, 10.0, 14.0)}
TRUE = {"noise to SNR 10": noisy}
OF_ECHOES = TRUE | {"ramps": faults.ramps, "bipolar": faults.bipolar, "offsets of slices": faults.slices}
CHECKS = (
    Check("filter, last echo", partial(filter_ratio, echo=-1), phase_filter.SURE, False, FILTERS, TRUE),
    Check("filter, first echo", partial(filter_ratio, echo=0), phase_filter.DOUBTFUL, False, FILTERS, TRUE),
    Check(
        "offsets of slices [rad]", partial(uneven_rad, growing=False), slice_offsets.UNEVEN_RAD, True,
        {f"SD {sd:g} rad": partial(slices_apart, sd_rad=sd) for sd in (0.3, 0.7, 3.0)}
        | {"every second a quarter turn": faults.interleaved},
        TRUE | {"ramps": faults.ramps, "bipolar": faults.bipolar},
    ),
    Check(
        "frequencies of slices [rad]", partial(uneven_rad, growing=True), slice_offsets.UNEVEN_RAD, True,
        {"breathing, 2-D": faults.breathing_2d, "drift, 2-D": faults.drift_2d}, TRUE,
    ),
    Check(
        "ghost half a field of view away", half_ghost, ghosts.CLEAR, True,
        {f"lines {turn:g} of half a turn apart": partial(lines_apart, half_turns=turn) for turn in (1 / 16, 1 / 4)},
        TRUE | {"zero-filled": faults.zero_filled, "partial Fourier": faults.partial_fourier},
    ),
    Check(
        "ghost elsewhere", other_ghost, ghosts.CLEAR, True, {"breathing": faults.breathing},
        TRUE | {"zero-filled": faults.zero_filled, "partial Fourier": faults.partial_fourier},
    ),
    Check(
        "mirrored phase", mirrored_by, mirrored.APART, True,
        {f"along axis {axis}": partial(flipped_phase, axis=axis) for axis in range(3)}, TRUE,
    ),
    Check(
        "mirrored echo", elsewhere_by, alignment.MIRRORED, True,
        {f"along axis {axis}": partial(flipped_echo, axis=axis) for axis in range(3)}, TRUE,
    ),
    Check("phase of noise", least_coherence, contents.LEAST_COHERENT, False, {"last echo": random_echo}, TRUE),
    Check(
        "wrong sign (1: refused)", signs_refused, 0.5, True,
        {"last echo": partial(wrong_sign, echo=0), "last echo but one": partial(wrong_sign, echo=1)}, OF_ECHOES,
    ),
    Check(
        "exchanged (1: refused)", order_refused, 0.5, True,
        {"first two phases": partial(exchanged, images=False), "first two echoes": partial(exchanged, images=True)},
        OF_ECHOES,
    ),
    Check(
        "dimmest part of the brain", dimmest_part, evenness.LEAST, False,
        {"zero of the receive field": faults.void_of_a_coil}, TRUE | {"shading taken off": faults.normalised},
    ),
    Check("variation in the air", air_variation, air.SQUARED, True, {"squared magnitudes": squared}),
)  # fmt: skip


def rows_of(scan: Scan, head: str) -> Iterator[dict]:
    """A row a check and change of one head; what is not judged is NaN."""
    for check in CHECKS:
        for change, of in {AS_IT_IS: lambda scan: scan, **check.true, **check.faults}.items():
            value = check.value(of(scan))
            yield {
                "check": check.name, "change": change, "fault": int(change in check.faults), "limit": check.limit,
                "head": head, "value": np.nan if value is None else value,
                "beyond": np.nan if value is None else int((value > check.limit) == check.above),
            }  # fmt: skip


def over_heads(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a check and change."""
    grouped = rows.groupby(["check", "change", "fault", "limit"], sort=False)
    return grouped.agg(
        heads=("value", "count"), lowest=("value", "min"), highest=("value", "max"), beyond=("beyond", "sum")
    ).reset_index()


def misjudged(table: pd.DataFrame) -> pd.DataFrame:
    """Faults that no head shows, and true changes that a head shows."""
    unseen = (table["fault"] == 1) & (table["beyond"] == 0) & (table["heads"] > 0)
    return table[unseen | ((table["fault"] == 0) & (table["beyond"] > 0))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all heads, write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake_checks", description=__doc__)
    parser.add_argument("heads", type=Path, help="folder of benchmarks.generators")
    parser.add_argument("--only", action="append", metavar="HEAD")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "intake_checks.tsv")
    chosen = parser.parse_args(arguments)
    rows: list[dict] = []
    for folder in sorted(path.parent for path in chosen.heads.glob("*/facts.json")):
        if chosen.only and folder.name not in chosen.only:
            continue
        head = read_head(folder)
        rows += rows_of(Scan(head=head, magnitude=head["magnitude"], phase_rad=wrap(head["phase"])), folder.name)
        print(folder.name, file=sys.stderr, flush=True)
    table = over_heads(pd.DataFrame(rows)).round(4)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    write_table(chosen.out, table)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    wrong = misjudged(table)
    print(f"\nNot as they should be:\n{wrong.to_string(index=False)}" if len(wrong) else "\nAll as they should be.")
    return int(len(wrong) > 0)


if __name__ == "__main__":
    sys.exit(main())
