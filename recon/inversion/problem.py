"""What a trained inversion reads of a scan, in which order of axes, and whether it was trained for such a scan."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from recon.grid import Grid
from recon.inversion.dipole_model import MODEL_ERROR, Model
from recon.inversion.noise import field_noise, independent_steps
from recon.inversion.total_variation import RHO, Solver, minimised, relative_weight

MARGIN = 2  # voxels around the mask in which sources of residual background may lie
MULTIPLE = 4  # of voxels along each axis of what the network reads: it halves them twice
FAINTEST = 3.0  # noise over the field's spread beyond which more noise changes nothing
DOUBTED = 0.1  # residual over the field's spread at which half of a correction is made
DAMPING = 0.02  # of the division by the dipole, where the field has no noise
CONTRASTS = 4  # maps of magnitude that a network may read
LEAST_SPREAD = 0.2  # of the field's standard deviation: its median deviation vanishes where sources are few


def margins(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Voxels to add before and after each axis of the mask's box."""
    return [(MARGIN, MARGIN + -(n + 2 * MARGIN) % MULTIPLE) for n in shape]


@dataclass(frozen=True, kw_only=True)
class Problem:
    r"""What the steps read, in units of the field's spread `scale`, so that amplitudes do not matter.

    Parameters
    ----------
    model : Model, of the box of the mask and its margins
    scale : [ppm] of one unit
    field, start : (X, Y, Z) float32: f, and the map from which its steps start, that of total variation or zero
    pull : (X, Y, Z) float32, :math:`w^2 / (w^2 + \rho)`: how far the data are to be believed, zero outside the mask
    noise : (X, Y, Z) float32, standard deviation of the field's noise, at most FAINTEST
    level : the same where the weight is 1
    contrasts : (CONTRASTS, X, Y, Z) float32, zero where there are none
    geometry : (6,) float32: logarithm of the voxel's edges over their mean, direction of B0
    """

    model: Model
    scale: float
    field: np.ndarray
    start: np.ndarray
    pull: np.ndarray
    noise: np.ndarray
    level: float
    contrasts: np.ndarray
    geometry: np.ndarray

    def misfit(self) -> float:
        """Mean square of the start's residual where the data are believed, over that of the field's spread."""
        residual = self.field - self.model.transform.inverse(self.model.transform.forward(self.start) * self.model.D)
        return self._mean(residual**2)

    def unexplained(self) -> float:
        """Residual of the start over what noise and the discrete model explain."""
        return float(np.sqrt(self.misfit() / max(self._mean(self.noise**2 + np.float32(MODEL_ERROR**2)), 1e-12)))

    def doubt(self) -> float:
        """How far the start is to be corrected at all, 0 to 1: not where it explains the field without a residual."""
        return self.misfit() / (self.misfit() + DOUBTED**2)

    def divided(self, volume: np.ndarray) -> np.ndarray:
        r"""A field divided by the dipole, :math:`D / (D^2 + \lambda)`, :math:`\lambda = \lambda_0 + \sigma^2`.

        sigma is the noise where the weight is one, so that the error of the field sets the strength.
        """
        D = self.model.D
        return self.model.transform.inverse(self.model.transform.forward(volume) * (D / self.damped()))

    def asked(self, x: np.ndarray) -> np.ndarray:
        """What the data still ask for beyond a map, as far as their pull lets them: the residual, divided."""
        transform = self.model.transform
        return self.divided(self.pull * (self.field - transform.inverse(transform.forward(x) * self.model.D)))

    def damped(self) -> np.ndarray:
        """Denominator of :meth:`divided`, in rfft layout."""
        return self.model.D**2 + np.float32(DAMPING + self.level**2)

    def _mean(self, values: np.ndarray) -> float:
        """Mean where the data are believed."""
        return float((self.pull * values).sum() / max(self.pull.sum(), 1e-12))

    @classmethod
    def of(
        cls,
        field_ppm: np.ndarray,
        mask: np.ndarray,
        grid: Grid,
        *,
        precision: np.ndarray | None,
        contrasts: np.ndarray | None,
        solver: Solver | None,
        workers: int = 1,
    ) -> "Problem":
        """Measure spread and noise of the field, and solve it by total variation where a solver is given.

        Arrays are those of the mask's box.
        """
        around = margins(mask.shape)
        inside = np.pad(mask, around)
        field = np.pad(field_ppm.astype(np.float32, copy=False), around)
        shown = np.zeros((0, *mask.shape), np.float32) if contrasts is None else contrasts
        shown = np.pad(shown, [(0, 0), *around])
        precision = None if precision is None else np.pad(precision, around)
        model = Model.of(inside, grid, workers)
        known = inside & np.isfinite(field)
        start = minimised(field, precision, shown, model, solver) if solver else np.zeros(inside.shape, np.float32)
        field = np.where(known, field, 0)
        values = field[known]
        spread = max(
            1.4826 * float(np.median(np.abs(values - np.median(values)))), LEAST_SPREAD * float(values.std()), 1e-9
        )
        weight = relative_weight(precision, known)
        level = field_noise(field, known, weight, independent_steps(field, known)) / spread
        every = np.zeros((CONTRASTS, *inside.shape), np.float32)
        every[: len(shown)] = shown[:CONTRASTS]
        return cls(
            model=model,
            scale=spread,
            field=field / np.float32(spread),
            start=start / np.float32(spread),
            pull=weight**2 / (weight**2 + np.float32(RHO)),
            noise=np.where(known, np.minimum(level / np.maximum(weight, 1e-3), FAINTEST), 0).astype(np.float32),
            level=min(level, FAINTEST),
            contrasts=every,
            geometry=np.concatenate([np.log(model.spacing), grid.b0_dir]).astype(np.float32),
        )


class Turn(NamedTuple):
    """How axes are put in order and flipped, so that B0 lies along the last, and objects turned with it look alike."""

    order: tuple[int, ...]
    flipped: tuple[int, ...]

    @classmethod
    def of(cls, grid: Grid, shape: tuple[int, ...]) -> Self:
        """Ascending along B0; where that ties, by voxel size, then by the number of voxels."""
        along = np.round(grid.b0_dir, 4)
        order = np.lexsort((np.asarray(shape), np.round(grid.voxel_size_mm, 4), np.abs(along)))
        return cls(tuple(map(int, order)), tuple(map(int, np.flatnonzero(along[order] < 0))))

    def there(self, volume: np.ndarray) -> np.ndarray:
        """Turn the first three axes."""
        return np.flip(volume.transpose(*self.order, *range(3, volume.ndim)), self.flipped)

    def back(self, volume: np.ndarray) -> np.ndarray:
        """Undo :meth:`there`."""
        return np.flip(volume, self.flipped).transpose(*np.argsort(self.order), *range(3, volume.ndim))

    def grid(self, grid: Grid) -> Grid:
        """The grid of turned volumes."""
        direction = np.asarray(grid.b0_dir)[list(self.order)]
        direction[list(self.flipped)] *= -1
        return Grid(np.asarray(grid.voxel_size_mm)[list(self.order)], direction)


def outside_range(problem: Problem, grid: Grid, limits: dict[str, Any]) -> str:
    """What of a turned problem lies beyond that on which the network was trained, in words; else empty."""
    low, high = limits["voxel_size_mm"]
    edges = np.asarray(grid.voxel_size_mm)
    tilt_deg = float(np.degrees(np.arccos(np.abs(grid.b0_dir).max())))
    unexplained = problem.unexplained()
    reasons = {
        f"voxel edges of {low:g} to {high:g} mm, found {edges.min():.3g} to {edges.max():.3g} mm": (
            edges.min() < low * 0.99 or edges.max() > high * 1.01
        ),
        f"edges up to {limits['anisotropy']:g} times as long as others, found {edges.max() / edges.min():.3g}": (
            edges.max() > edges.min() * limits["anisotropy"] * 1.01
        ),
        f"the longest edges along B0, found {'x'.join(f'{edge:.3g}' for edge in edges)} mm, B0 along the last": (
            edges.max() > edges[-1] * 1.01
        ),
        f"B0 within {limits['tilt_deg']:g} degrees of an axis, found {tilt_deg:.1f}": tilt_deg > limits["tilt_deg"],
        f"noise up to {limits['noise']:.2f} of the field's spread, found {problem.level:.2f}": (
            problem.level > limits["noise"]
        ),
        f"a residual up to {limits['unexplained']:.1f} times what noise explains, found {unexplained:.1f}": (
            unexplained > limits["unexplained"]
        ),
    }
    return "; ".join(reason for reason, beyond in reasons.items() if beyond)
