"""What every generator makes: labelled tissue on a fine grid, its properties, and the scan to simulate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

FIELD_OF_VIEW_MM = (176.0, 212.0, 170.0)


class Tissue(IntEnum):
    """Labels of a scene; a nucleus of ``resources/nuclei.tsv`` has ``NUCLEUS`` plus its own label."""

    AIR = 0
    SOFT = 1  # scalp, muscle, fat
    BONE = 2
    FLUID = 3
    GREY = 4
    WHITE = 5
    DEEP = 6  # deep grey matter that no nucleus of the table is
    VEIN = 7
    CALCIFICATION = 8
    HAEMORRHAGE = 9
    NUCLEUS = 20


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One acquisition.

    Parameters
    ----------
    te_s : echo times [s]
    b0_tesla : main field [T]
    voxel_size_mm : (3,) edges of a voxel [mm]
    finer : (3,) sub-voxels along each edge, over whose complex signal a voxel averages
    tilt_deg : angle of the main field with the third axis, about the first and the second [degree]
    snr : median of the brain's signal at TE = 0 over the standard deviation of the noise in one channel
    receive_rad : standard deviation of the smooth receive phase [rad]
    shading : standard deviation of the logarithm of the smooth receive sensitivity
    dipole : name in `physics.DIPOLES`
    """

    te_s: tuple[float, ...]
    b0_tesla: float = 3.0
    voxel_size_mm: tuple[float, float, float]
    finer: tuple[int, int, int] = (2, 2, 2)
    tilt_deg: tuple[float, float] = (0.0, 0.0)
    snr: float
    receive_rad: float = 0.5
    shading: float = 0.15
    dipole: str

    @property
    def spacing_mm(self) -> np.ndarray:
        """(3,) edges of a sub-voxel [mm]."""
        return np.array(self.voxel_size_mm) / self.finer

    @property
    def b0_dir(self) -> np.ndarray:
        """(3,) unit vector of the main field in voxel axes."""
        about_x, about_y = np.deg2rad(self.tilt_deg)
        direction = np.array([np.sin(about_y), np.sin(about_x), np.cos(about_x) * np.cos(about_y)])
        return direction / np.linalg.norm(direction)

    def shape(self, field_of_view_mm: tuple[float, float, float] = FIELD_OF_VIEW_MM) -> tuple[int, int, int]:
        """Sub-voxels that fill a field of view in whole, even numbers of voxels."""
        whole = (
            2 * round(extent / edge / 2) for extent, edge in zip(field_of_view_mm, self.voxel_size_mm, strict=True)
        )
        nx, ny, nz = (n * f for n, f in zip(whole, self.finer, strict=True))
        return nx, ny, nz

    def affine(self, centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0), **extent: tuple) -> np.ndarray:
        """(4, 4) sub-voxel indices → mm, axes along those of the world, the grid's middle at `centre_mm`."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = np.array(centre_mm) - self.spacing_mm * (np.array(self.shape(**extent)) - 1) / 2
        return affine


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A head on the sub-voxels of a scan: (X, Y, Z) arrays.

    Parameters
    ----------
    labels : uint8, see `Tissue`
    brain : bool, what a perfect brain extraction would find
    chi_ppm, r2star_hz, signal : float32; signal is the magnitude at TE = 0
    tags : what is special
    drawn : parameters that were drawn at random
    """

    labels: np.ndarray
    brain: np.ndarray
    chi_ppm: np.ndarray
    r2star_hz: np.ndarray
    signal: np.ndarray
    tags: tuple[str, ...] = ()
    drawn: dict = field(default_factory=dict)


def by_tissue(labels: np.ndarray, values: Mapping[int, float]) -> np.ndarray:
    """A property as float32 from its value in each tissue; what is not listed has 0."""
    table = np.zeros(256, np.float32)
    for label, value in values.items():
        table[label] = value
    return table[labels]
