"""Phase that a high-pass filter went over, as for susceptibility-weighted images: the field of large sources is gone.

The phase of a head varies more from one side to the other than within two centimetres. What a filter leaves varies
within them alone: its spread between blocks is a small part of that within. Measured in the last echo:

- unfiltered: 0.69 to 1.9 (simulated heads of 1.5 and 3 mm at 0.55, 1.5, 3 and 7 T, TE 2 to 35 ms, SNR 10 and 60, with
  and without receive phase; 3 T Philips head 1.6), brains without skull the same; 0.54 for a brain at 0.55 T, TE 5 ms,
  SNR 10, where noise is most of it
- homodyne filtered with a window of 64 samples: 0.04 to 0.36, at 3 T up to 0.25; of 24 samples: 0.1 to 0.71

On 16 other heads (15 made from T1-weighted images and templates, 1.5 to 7 T, one to twelve echoes, SNR 10 to 100; and
the Philips one): unfiltered 0.98 to 2.5, first and last echo, whole and brain alone. Filtered with windows of 64, 48
and 32 samples, 0.06 to 0.38: 48 of 48 are refused. Of 24 samples, 0.22 to 0.56: 11 of 16 refused, 5 noted; of 16, 0.39
to 0.83: 1 refused, 13 noted; of 12: 5 noted.

A window of 16 samples leaves a ratio of 0.72 in the last echo (30 ms) of a simulated head and of 0.40 in its first
(5 ms), which is at least 1.14 in eight other heads unfiltered, with noise to SNR 10 and without, and 1.88 in the
Philips one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recon.intake.decisions import Decision
from recon.intake.facts import shown
from recon.problems import IntakeError, Problem, to_type

BLOCK_MM = 24.0
FULL = 0.5  # share of a block that must hold signal
FEWEST_BLOCKS = 12
SURE, DOUBTFUL = 0.4, 0.65  # ratio of the spreads below which phase is filtered, and may be
LEAST_RAD = 0.1  # of spread, that a head shows at any field but for the shortest echo times
WORDS = {"FILTERED", "FILTEREDPHASE", "HIGHPASS", "HP", "HPF", "HOMODYNE", "SWI", "SWIP", "SWAN"}  # of ImageType
EXPORT = "export the phase of the gradient echo itself, with phase filter, SWI and homodyne processing switched off"

NO_HEAD = f"of what is no head, as a phantom: {to_type('prepare_echoes.phase_filter', 'note')}"


class Spread(NamedTuple):
    """Spread of the phase [rad] between blocks and within them."""

    between_rad: float
    within_rad: float

    @property
    def ratio(self) -> float:
        return self.between_rad / max(self.within_rad, 1e-6)

    @property
    def flat(self) -> bool:
        """Whether the phase hardly varies: filtered, or the echo time is too short to tell."""
        return max(self.between_rad, self.within_rad) < LEAST_RAD

    def __str__(self) -> str:
        blocks = f"blocks of {BLOCK_MM:g} mm"
        return f"phase spreads by {self.between_rad:.2f} rad between {blocks}, {self.within_rad:.2f} rad within"


def spread(signal: np.ndarray, voxel_size_mm: Sequence[float]) -> Spread | None:
    r"""Spread of the phase of a (X, Y, Z) complex signal; None where it is too small to be judged.

    With Z and M the sums of signal and magnitude over a block, the spread within blocks is that of a normal
    distribution of the same coherence, :math:`\sqrt{-2 \ln(\sum |Z| / \sum M)}`, and that between them the rms of the
    angles of Z about their mean.
    """
    size = [min(n, max(1, round(BLOCK_MM / edge))) for n, edge in zip(signal.shape, voxel_size_mm, strict=True)]
    magnitude = np.abs(signal)
    strong = magnitude > magnitude.mean(dtype=float)
    full = _block_sums(strong.astype(np.float32), size) > FULL * np.prod(size)
    if np.count_nonzero(full) < FEWEST_BLOCKS:
        return None
    Z, M = _block_sums(signal * strong, size)[full], _block_sums(magnitude * strong, size)[full]
    angle = np.angle(Z * np.conj(Z.sum()))
    between = np.sqrt(np.sum(M * angle**2) / M.sum())
    within = np.sqrt(-2 * np.log(min(np.abs(Z).sum() / M.sum(), 1.0)))
    return Spread(float(between), float(within))


def _block_sums(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Sums over whole blocks; what is left over at the ends is left out."""
    for axis, n in enumerate(size):
        whole = np.moveaxis(values, axis, 0)
        whole = whole[: len(whole) // n * n]
        values = np.moveaxis(whole.reshape(-1, n, *whole.shape[1:]).sum(axis=1), 0, axis)
    return values


def filter_words(facts: Mapping) -> set[str]:
    """Words of ImageType, a list or one text, that tell of a phase filter."""
    told = " ".join(str(facts.get(key, "")) for key in ("ImageType", "ImageTypeText"))
    return WORDS & set(re.split("[^A-Z]+", told.upper().replace("FILTERED_PHASE", "FILTEREDPHASE")))


def phase_filter(
    found: Spread | None, facts: Mapping, te_s: float, where: str, setting: str, first: Spread | None = None
) -> Decision[bool]:
    """Whether phase may be filtered; where it surely is, it is refused.

    Parameters
    ----------
    found : of the last echo, see `spread`
    facts : its sidecar
    te_s : its echo time [s]
    where : file for messages
    setting : "refuse" or "note", config `prepare_echoes.phase_filter`; what is no head may vary as filtered heads do
    first : of the first echo, where there are several: a narrow filter shows best there

    Raises
    ------
    IntakeError
        Where the values show a filter clearly, or show one less clearly and ImageType tells of it.
    """
    words = filter_words(facts)
    said = f"ImageType {shown(facts.get('ImageType'))}"
    if found is None:
        note = f"the phase may be filtered: {said}, and too few voxels to see it; if so, {EXPORT}"
        return Decision(bool(words), "unknown", f"too few voxels with signal, {said}", (note,) if words else ())
    evidence = f"at TE {1e3 * te_s:.3g} ms {found} (unfiltered: ratio above {DOUBTFUL:g}), {said}"
    if setting == "refuse" and found.ratio < (DOUBTFUL if words else SURE) and not found.flat:
        raise IntakeError([Problem(where, f"unfiltered phase: {EXPORT}; {NO_HEAD}", f"filtered phase: {evidence}")])
    if found.ratio >= DOUBTFUL and first is not None and first.ratio < DOUBTFUL and not first.flat:
        found, evidence = first, f"in the first echo {first} (unfiltered: ratio above {DOUBTFUL:g}), {said}"
    if found.ratio < DOUBTFUL or found.flat or words:
        note = f"the phase may be filtered, which makes susceptibility too small: {evidence}; if it is, {EXPORT}"
        return Decision(True, "possible", evidence, (note,))
    return Decision(False, "none seen", evidence)
