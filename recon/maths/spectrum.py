"""Real Fourier transforms between a box and a larger, zero-filled periodic grid."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from recon.grid import Vector
from recon.maths.boxes import padded_shape

PAD_MM = 32.0  # zeros beside the brain, so that its dipole fields do not wrap around


@dataclass(frozen=True, kw_only=True)
class BoxTransform:
    """Transforms that skip what is known to be zero before, and not wanted after.

    An axis is zero-filled only when it is transformed, and cropped as soon as it is transformed back, so the axes
    that come first are short: a third less work than `rfftn` of a padded array.

    Parameters
    ----------
    box : (3,) shape in the image domain
    grid : (3,) shape of the periodic grid, at least `box`
    workers : threads
    """

    box: tuple[int, ...]
    grid: tuple[int, ...]
    workers: int = 1

    @classmethod
    def padded(
        cls, box: tuple[int, ...], voxel_size_mm: Vector, workers: int, pad_mm: float = PAD_MM
    ) -> "BoxTransform":
        """A box with `pad_mm` of room in all for the dipole fields of what lies in it."""
        return cls(box=box, grid=padded_shape(box, voxel_size_mm, pad_mm), workers=workers)

    def forward(self, volume: np.ndarray) -> np.ndarray:
        """(box) float32 → spectrum of the zero-filled volume in the layout of `scipy.fft.rfftn`."""
        return self.across(self.planes(volume))

    def inverse(self, spectrum: np.ndarray) -> np.ndarray:
        """Spectrum, which is overwritten → (box) float32."""
        return self.from_planes(self.from_across(spectrum))

    def planes(self, volume: np.ndarray) -> np.ndarray:
        """(box) float32 → spectrum of every plane (y, z) of the box."""
        _, ny, nz = self.grid
        spectrum = fft.rfft(volume, nz, axis=2, workers=self.workers)
        return fft.fft(spectrum, ny, axis=1, overwrite_x=True, workers=self.workers)

    def planes_of_rows(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """:meth:`planes` of a volume that is zero but in some `rows` (x, y) bool along z, (row, z) float32 `values`."""
        _, ny, nz = self.grid
        spectrum = np.zeros((len(rows), ny, nz // 2 + 1), np.complex64)
        spectrum[:, : self.box[1]][rows] = fft.rfft(values, nz, axis=1, workers=self.workers)
        return fft.fft(spectrum, axis=1, overwrite_x=True, workers=self.workers)

    def across(self, planes: np.ndarray) -> np.ndarray:
        """Spectrum along x of what has that of every plane; of all its lines, or of some."""
        return fft.fft(planes, self.grid[0], axis=0, workers=self.workers)

    def from_across(self, spectrum: np.ndarray) -> np.ndarray:
        """The way back from :meth:`across`; overwrites."""
        return fft.ifft(spectrum, axis=0, overwrite_x=True, workers=self.workers)[: self.box[0]]

    def from_planes(self, planes: np.ndarray) -> np.ndarray:
        """The way back from :meth:`planes`; overwrites."""
        return self._along_z(self._from_y(planes))

    def rows_from_planes(self, planes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """:meth:`from_planes` in some `rows` (x, y) bool along z: (row, z) float32; overwrites."""
        return self._along_z(self._from_y(planes)[rows])

    def _from_y(self, planes: np.ndarray) -> np.ndarray:
        return fft.ifft(planes, axis=1, overwrite_x=True, workers=self.workers)[:, : self.box[1]]

    def _along_z(self, spectrum: np.ndarray) -> np.ndarray:
        return fft.irfft(spectrum, self.grid[2], axis=-1, workers=self.workers)[..., : self.box[2]]
