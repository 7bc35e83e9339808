"""What the scanner did: echo times, field strength and direction, voxel size."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recon.files.io import read_json, write_json
from recon.grid import Grid

GAMMA_HZ_PER_T = 42_576_385.43  # of the proton, shielded as in water (CODATA 2022)


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """Facts of one multi-echo gradient echo series.

    Parameters
    ----------
    te_s : echo times [s], ascending
    b0_tesla : main field [T]
    b0_dir : unit vector of the main field in voxel axes
    voxel_size_mm : edge lengths of a voxel [mm]
    tr_s, flip_angle_deg : repetition time [s] and nominal flip angle [degree]; None where the source does not say
    sources : BIDS URIs of the images, for the sidecars of what is made of them
    decisions : what the intake decided about the images and why, plain JSON
    """

    te_s: tuple[float, ...]
    b0_tesla: float
    b0_dir: tuple[float, float, float]
    voxel_size_mm: tuple[float, float, float]
    tr_s: float | None = None
    flip_angle_deg: float | None = None
    sources: tuple[str, ...] = ()
    decisions: dict = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        te_s = np.asarray(self.te_s, dtype=float)
        if not (te_s.size and np.all(te_s > 0) and np.all(np.diff(te_s) > 0)):
            raise ValueError(f"echo times: expected positive ascending seconds, found {list(self.te_s)}")
        if te_s[-1] > 0.5:
            raise ValueError(f"echo times: expected seconds below 0.5, found {list(self.te_s)}: milliseconds?")
        if not 0 < self.b0_tesla < 25:
            raise ValueError(f"field strength: expected tesla between 0 and 25, found {self.b0_tesla}")
        _ = self.grid  # refuses what is no grid

    @property
    def grid(self) -> Grid:
        """Voxels and the direction of the main field."""
        return Grid(self.voxel_size_mm, self.b0_dir)

    @classmethod
    def read(cls, path: str | Path) -> "Acquisition":
        """Read the JSON file that `write` made."""
        facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in read_json(path).items()}
        return cls(**facts)

    def write(self, path: str | Path) -> None:
        """Write to a JSON file."""
        write_json(path, asdict(self))

    def ppm_per_rad(self) -> np.ndarray:
        """(echo,) factors from phase [rad] to field [ppm of B0]: 1e6 / (2 pi gamma B0 TE)."""
        return 1e6 / (2 * np.pi * GAMMA_HZ_PER_T * self.b0_tesla * np.asarray(self.te_s))


def choose_echo(n_echoes: int, wanted: int) -> int:
    """Index from 0 of the wanted echo (counted from 1), or of the last one where there are fewer."""
    return min(wanted, n_echoes) - 1
