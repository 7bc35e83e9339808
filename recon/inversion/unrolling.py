"""Dipole inversion that learnt what total variation leaves undone: a few steps of data consistency and a network."""

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import ndimage

from recon.files.home import HOME
from recon.files.weights import trained
from recon.grid import Grid
from recon.inversion.dipole_model import MODEL_ERROR, Model
from recon.inversion.network import Weights, correction
from recon.inversion.noise import field_noise, independent_steps
from recon.inversion.total_variation import RHO, Solver, minimised, relative_weight, tv
from recon.maths.boxes import bounding_box
from recon.maths.contrast import tissue_contrasts
from recon.needs import NEEDS, PRIORS
from recon.registry import Method, look_up
from recon.settings import defaults

DEFAULT = defaults("dipole_inversion")
WEIGHTS = HOME / "resources" / "unrolled.safetensors"
CARD = WEIGHTS.with_suffix(".json")  # how they were made, their hash, and where they may be used

MARGIN = 2  # voxels around the mask in which sources of residual background may lie
MULTIPLE = 4  # of voxels along each axis of what the network reads: it halves them twice
FAINTEST = 3.0  # noise over the field's spread beyond which more noise changes nothing
UNIT = 0.2  # of the maps before the network: susceptibility varies several times as much as the field
SMOOTHING_VOXELS = (0.6, 1.5, 4.0)  # standard deviations of the smoother candidates
DOUBTED = 0.1  # residual over the field's spread at which half of a correction is made
LEAST_SHARE = 0.05  # of a Gaussian mean that lies in the mask
DAMPING = 0.02  # of the division by the dipole, where the field has no noise
CONTRASTS = 4  # maps of magnitude that the network reads
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
    field, start : (X, Y, Z) float32: f, and the map by total variation
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
        solver: Solver,
        workers: int = 1,
    ) -> "Problem":
        """Solve by total variation, and measure spread and noise of the field. Arrays are those of the mask's box."""
        around = margins(mask.shape)
        inside = np.pad(mask, around)
        field = np.pad(field_ppm.astype(np.float32, copy=False), around)
        shown = np.zeros((0, *mask.shape), np.float32) if contrasts is None else contrasts
        shown = np.pad(shown, [(0, 0), *around])
        precision = None if precision is None else np.pad(precision, around)
        model = Model.of(inside, grid, workers)
        start = minimised(field, precision, shown, model, solver)
        known = inside & np.isfinite(field)
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


def candidates(x: np.ndarray, problem: Problem) -> list[np.ndarray]:
    r"""Maps of which the network takes a share: g, c, and smoother versions of x less x; (X, Y, Z) float32 each.

    .. math:: g = \frac{D}{D^2 + \lambda} u (f - D x), \quad c = \frac{\lambda}{D^2 + \lambda} x,
              \quad \lambda = \lambda_0 + \sigma^2

    g is what the data still ask for, as far as their pull u lets them, and c what of the map they hardly say; sigma is
    the noise where the weight is one, so that the error of the field sets the strength.
    """
    model = problem.model
    D, transform = model.D, model.transform
    damped = D**2 + np.float32(DAMPING + problem.level**2)
    X = transform.forward(x)
    residual = problem.pull * (problem.field - transform.inverse(X * D))
    asked = transform.inverse(transform.forward(residual) * (D / damped))
    unsaid = transform.inverse(X * (1 - D**2 / damped))
    return [asked, unsaid, *(_smoothed(x, model.inside, sigma) - x for sigma in SMOOTHING_VOXELS)]


def _smoothed(x: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of what lies in the mask."""
    total, share = (ndimage.gaussian_filter(v.astype(np.float32), sigma, truncate=3) for v in (x * inside, inside))
    return total / np.maximum(share, np.float32(LEAST_SHARE))


def steps(problem: Problem, weights: Weights) -> np.ndarray:
    r"""Corrected map, in units of the field's spread, (X, Y, Z) float32.

    .. math:: x \leftarrow x + q (\Delta + \sum_j s_j C_j)

    with the candidates C of :func:`candidates`, shares s and own correction of the network, inside the mask, and the
    doubt q: what explains the field without a residual is not touched.
    """
    x, inside = problem.start, problem.model.inside * np.float32(problem.doubt())
    scalars = np.stack([problem.model.inside, problem.pull, problem.noise, *problem.contrasts], -1).astype(np.float32)
    for number in range(1 + max(int(name.split(".")[0]) for name in weights)):
        found = candidates(x, problem)
        maps = np.arcsinh(np.float32(UNIT) * np.stack([x, found[1], found[0]], -1))
        weights_here = {name.split(".", 1)[1]: w for name, w in weights.items() if name.startswith(f"{number}.")}
        own, shares = correction(weights_here, maps, scalars, problem.geometry)
        own = own / np.float32(UNIT) + sum(shares[..., j] * candidate for j, candidate in enumerate(found))
        x = x + own * inside
    return x


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


def unrolled(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    precision: np.ndarray | None = None,
    magnitude: np.ndarray | None = None,
    tv_weight: float = DEFAULT["tv_weight"],
    tv_iterations: int = DEFAULT["tv_iterations"],
    tv_tolerance: float = DEFAULT["tv_tolerance"],
    tv_outside: float = DEFAULT["tv_outside"],
    tv_prior: str = DEFAULT["tv_prior"],
    workers: int = 1,
) -> np.ndarray:
    """Total variation, then trained corrections between steps towards the data (:func:`steps`).

    Proximal gradient descent with few, learnt steps: the dipole is the real one of this grid and direction of B0, and
    what the field denies is taken back by its residual. Where a scan lies outside the range of the training, the map
    is that of :func:`recon.inversion.total_variation.tv`, and a warning says why. Axes are put in one order first, so
    that an object turned together with B0 gives the turned map.

    Arrays, settings and result as in :func:`recon.inversion.total_variation.tv`.

    Raises
    ------
    ValueError
        The shipped weights are missing or are not those of their card.

    Warns
    -----
    UserWarning
        The scan is outside the range of the training.

    References
    ----------
    .. [1] Aggarwal et al., IEEE Trans Med Imaging 38:394 (2019), doi:10.1109/TMI.2018.2865356: steps and network
    .. [2] Lai et al., MICCAI, LNCS 12262:125 (2020), doi:10.1007/978-3-030-59713-9_13: for the dipole inversion
    .. [3] Yoon et al., Neuroimage 179:199 (2018), doi:10.1016/j.neuroimage.2018.06.030: U-Net for the inversion
    """
    weights, card = trained(WEIGHTS, CARD)
    box = bounding_box(mask)
    shape = mask[box].shape
    if not shape:
        return np.zeros(field_ppm.shape, np.float32)
    turn = Turn.of(grid, shape)
    inside, turned = turn.there(mask[box]), turn.grid(grid)
    contrasts = None
    if look_up(PRIORS, tv_prior, "dipole_inversion.tv_prior") and magnitude is not None:
        contrasts = tissue_contrasts(turn.there(magnitude[box]), inside, turned.voxel_size_mm)
    own = None if precision is None else turn.there(precision[box])
    solver = Solver(weight=tv_weight, iterations=tv_iterations, tolerance=tv_tolerance, outside=tv_outside)
    centre = tuple(slice(low, low + n) for (low, _), n in zip(margins(inside.shape), inside.shape, strict=True))
    chi_ppm = np.zeros(field_ppm.shape, np.float32)
    fields, maps = (v[..., None] if v.ndim == 3 else v for v in (field_ppm, chi_ppm))
    for i in range(fields.shape[-1]):
        problem = Problem.of(
            turn.there(fields[box + (i,)]),
            inside,
            turned,
            precision=own,
            contrasts=contrasts,
            solver=solver,
            workers=workers,
        )
        if beyond := outside_range(problem, turned, card["range"]):
            warnings.warn(f"unrolled: {FALLEN_BACK}: the network is for {beyond}", stacklevel=2)
            maps[..., i] = tv(
                fields[..., i],
                mask,
                grid,
                precision=precision,
                magnitude=magnitude,
                tv_weight=tv_weight,
                tv_iterations=tv_iterations,
                tv_tolerance=tv_tolerance,
                tv_outside=tv_outside,
                tv_prior=tv_prior,
                workers=workers,
            )
        elif problem.start.any():
            found = steps(problem, weights)[centre] * np.float32(problem.scale)
            maps[box + (i,)] = turn.back(np.where(inside, found, 0))
    return chi_ppm


FALLEN_BACK = "the map is that of tv"

METHODS = {
    "unrolled": Method(
        run=unrolled,
        needs=NEEDS["dipole_inversion"]["unrolled"],
        sentence="""The field was inverted with total variation {{ cite("bilgic2014", "milovic2018") }} (weight
            {{ tv_weight | n }}, at most {{ tv_iterations | n }} iterations, tolerance {{ tv_tolerance | n }}, penalty
            outside the brain {{ tv_outside | n }}{% if tv_prior == "tissue" %}, edges that follow the magnitude
            free{% endif %}); a network trained on simulated volumes then corrected the map between steps towards the
            data {{ cite("aggarwal2019", "lai2020") }}, unless the scan lay outside the range of its training.""",
    )
}
