"""Dipole inversion by a network from field to susceptibility, then steps towards the data: `deepqsm` and `qsmnet`.

Both are the same small U-Net; what it was trained on, and by which loss, differs (:mod:`qnet.networks.train_direct`).
"""

import numpy as np

from recon.grid import Grid
from recon.inversion.learnt import Learnt, inverted
from recon.inversion.network import Weights, correction
from recon.inversion.problem import Problem
from recon.inversion.unrolling import UNIT
from recon.needs import NEEDS
from recon.registry import Method
from recon.settings import defaults

DEFAULT = defaults("dipole_inversion")
DATA_STEPS = 3  # of one to three the best on a head of the simulator, python -m benchmarks.inversions --only own


def mapped(problem: Problem, weights: Weights) -> np.ndarray:
    r"""Map in units of the field's spread, (X, Y, Z) float32, zero outside the mask.

    .. math:: x = m \left(g + s g + \Delta\right), \quad g = \frac{D}{D^2 + \lambda} f

    with the share s and the correction of the network, which reads the field f, its damped division g by the dipole of
    this grid and direction of B0, the mask m, and the noise of every voxel.
    """
    division, inside = problem.divided(problem.field), problem.model.inside
    maps = np.arcsinh(np.stack([np.float32(UNIT) * division, problem.field], -1))
    scalars = np.stack([inside, problem.noise], -1).astype(np.float32)
    own, shares = correction(weights, maps, scalars, problem.geometry)
    return inside * (own / np.float32(UNIT) + (1 + shares[..., 0]) * division)


def consistent(problem: Problem, weights: Weights) -> np.ndarray:
    r"""The map of the network after DATA_STEPS steps towards the data, which take back what the field denies.

    .. math:: x \leftarrow m \left(x + \frac{D}{D^2 + \lambda} u (f - D x)\right)

    with the pull u of the data. What the field hardly says, about the cone, remains that of the network.
    """
    x = mapped(problem, weights)
    for _ in range(DATA_STEPS):
        x = problem.model.inside * (x + problem.asked(x))
    return x


DEEPQSM, QSMNET = (
    Learnt(name=name, start=consistent, finish=lambda problem, weights: problem.start, from_tv=False)
    for name in ("deepqsm", "qsmnet")
)


def deepqsm(
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
    """A U-Net trained on synthetic shapes by squared errors [1]_, then steps towards the data.

    Beyond the original it reads the damped division by the dipole beside the field (:func:`mapped`), so that one file
    of weights serves all voxel sizes and directions of B0 of its training, and the field corrects what it made
    (:func:`consistent`). Magnitude and the settings `tv_…` are for
    scans outside that range, whose map is that of :func:`recon.inversion.total_variation.tv`; a warning says why.

    Arrays and result as there.

    Raises
    ------
    ValueError
        The shipped weights are missing or are not those of their card.

    References
    ----------
    .. [1] Bollmann et al., Neuroimage 195:373 (2019), doi:10.1016/j.neuroimage.2019.03.060
    """
    settings = {
        "tv_weight": tv_weight,
        "tv_iterations": tv_iterations,
        "tv_tolerance": tv_tolerance,
        "tv_outside": tv_outside,
        "tv_prior": tv_prior,
    }
    return inverted(
        DEEPQSM, field_ppm, mask, grid, precision=precision, magnitude=magnitude, settings=settings, workers=workers
    )


def qsmnet(
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
    """The network of :func:`deepqsm` trained on brain-like volumes, by a loss that holds the field of the map too [1]_.

    Half of those volumes went through a background removal of this project. All else as there.

    References
    ----------
    .. [1] Yoon et al., Neuroimage 179:199 (2018), doi:10.1016/j.neuroimage.2018.06.030
    .. [2] Jung et al., Neuroimage 211:116619 (2020), doi:10.1016/j.neuroimage.2020.116619: wider range of values
    """
    settings = {
        "tv_weight": tv_weight,
        "tv_iterations": tv_iterations,
        "tv_tolerance": tv_tolerance,
        "tv_outside": tv_outside,
        "tv_prior": tv_prior,
    }
    return inverted(
        QSMNET, field_ppm, mask, grid, precision=precision, magnitude=magnitude, settings=settings, workers=workers
    )


FALLBACK = """a scan outside the range of its training was inverted with total variation {{ cite("bilgic2014") }}
            (weight {{ tv_weight | n }}, at most {{ tv_iterations | n }} iterations, tolerance {{ tv_tolerance | n }},
            penalty outside the brain {{ tv_outside | n }}{% if tv_prior == "tissue" %}, edges that follow the magnitude
            free{% endif %})."""

METHODS = {
    "deepqsm": Method(
        run=deepqsm,
        needs=NEEDS["dipole_inversion"]["deepqsm"],
        sentence=f"""The field was inverted with a three-dimensional U-Net trained on synthetic shapes
            {{{{ cite("bollmann2019") }}}}, which also reads the field's damped division by the dipole of the scan,
            and {DATA_STEPS} steps towards the data; {FALLBACK}""",
    ),
    "qsmnet": Method(
        run=qsmnet,
        needs=NEEDS["dipole_inversion"]["qsmnet"],
        sentence=f"""The field was inverted with a three-dimensional U-Net trained on simulated brain-like volumes by a
            loss of map, gradient and field {{{{ cite("yoon2018", "jung2020") }}}}, which also reads the field's damped
            division by the dipole of the scan, and {DATA_STEPS} steps towards the data; {FALLBACK}""",
    ),
}
