"""What the intake decided about a series, and why."""

from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Decision(Generic[T]):
    """A value, the reason for it, what was measured or told as evidence, and what a user must see besides.

    The evidence is empty where the reason itself is all there is, as of a setting.
    """

    value: T
    reason: str
    evidence: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason}: {self.evidence}" if self.evidence else self.reason


class PhaseScale(NamedTuple):
    """Phase [rad] = slope * raw + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """How the voxels of one series become magnitude and phase.

    Parameters
    ----------
    scale : raw phase to radians; None where the series holds real and imaginary parts
    filtered : whether a high-pass filter may have gone over the phase
    offset_axis : voxel axis along which every slice has a phase offset of its own, which is removed, or None
    chop_axis : voxel axis along which every second slice is negated, or None
    phase_sign : factor of the phase, after which a paramagnetic source advances it
    reasons : sentences by `MainField`, `PhaseUnits`, `PhaseFilter`, `SliceOffsets`, `SliceChop` and `PhaseSign`: what
        was decided and from which evidence
    evidence : the evidence of each by itself, where there is any
    notes : what a user must see
    """

    scale: PhaseScale | None
    filtered: bool = False
    offset_axis: int | None = None
    chop_axis: int | None
    phase_sign: int
    reasons: dict[str, str]
    evidence: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def summary(self) -> dict:
        """All of it as plain JSON."""
        return {
            **self.reasons,
            "Evidence": self.evidence,
            "RadiansPerValue": self.scale._asdict() if self.scale else None,
            "Filtered": self.filtered,
            "OffsetAxis": self.offset_axis,
            "ChopAxis": self.chop_axis,
            "SignFactor": self.phase_sign,
            "Notes": list(self.notes),
        }
