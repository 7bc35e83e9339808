"""Dipole inversion that learnt what total variation leaves undone: a few steps of data consistency and a network."""

import numpy as np
from scipy import ndimage

from recon.grid import Grid
from recon.inversion.learnt import Learnt, inverted
from recon.inversion.network import Weights, correction
from recon.inversion.problem import Problem
from recon.needs import NEEDS
from recon.registry import Method
from recon.settings import defaults

DEFAULT = defaults("dipole_inversion")
UNIT = 0.2  # of the maps before the network: susceptibility varies several times as much as the field
SMOOTHING_VOXELS = (0.6, 1.5, 4.0)  # standard deviations of the smoother candidates
LEAST_SHARE = 0.05  # of a Gaussian mean that lies in the mask


def candidates(x: np.ndarray, problem: Problem) -> list[np.ndarray]:
    r"""Maps of which the network takes a share: g, c, and smoother versions of x less x; (X, Y, Z) float32 each.

    .. math:: g = \frac{D}{D^2 + \lambda} u (f - D x), \quad c = \frac{\lambda}{D^2 + \lambda} x,
              \quad \lambda = \lambda_0 + \sigma^2

    g is what the data still ask for, as far as their pull u lets them, and c what of the map they hardly say.
    """
    model = problem.model
    unsaid = model.transform.inverse(model.transform.forward(x) * (1 - model.D**2 / problem.damped()))
    return [problem.asked(x), unsaid, *(_smoothed(x, model.inside, sigma) - x for sigma in SMOOTHING_VOXELS)]


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


UNROLLED = Learnt(name="unrolled", start=lambda problem, weights: problem.start, finish=steps, from_tv=True)


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
    settings = {
        "tv_weight": tv_weight,
        "tv_iterations": tv_iterations,
        "tv_tolerance": tv_tolerance,
        "tv_outside": tv_outside,
        "tv_prior": tv_prior,
    }
    return inverted(
        UNROLLED, field_ppm, mask, grid, precision=precision, magnitude=magnitude, settings=settings, workers=workers
    )


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
