"""Dipole inversion with sparse edges: total variation, solved by ADMM, and a Wiener filter of what it leaves."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recon.grid import Grid
from recon.inversion.dipole_model import Model, field_error
from recon.inversion.noise import field_noise, independent_steps
from recon.inversion.prior import tissue_spectrum
from recon.maths.boxes import bounding_box
from recon.maths.contrast import tissue_contrasts
from recon.maths.differences import differences, differences_adjoint, inner_differences
from recon.maths.strong_sources import strong_sources
from recon.needs import NEEDS, PRIORS
from recon.registry import Method, Settings, look_up
from recon.settings import defaults

DEFAULT = defaults("dipole_inversion")
MARGIN = 2  # voxels around the mask in which sources of residual background may lie
# ADMM: weights of the split data, of the split gradient over the regularisation [1/ppm] and over-relaxation
RHO, MU, RELAX = 0.3, 20.0, 1.7
FIRST_ITERATIONS = 3  # of the map from which the tissues' susceptibility is learnt; more teach nothing
WIENER_FLOOR = 0.02  # least regularisation of the residual, relative to D^2
PASSES = 3  # between which edges are priced anew
STEEP = 75  # percentile of the gradient from which on a difference is rather an edge than noise
LEAST_PRICE = 0.02  # of an edge
UNUSUAL = 4.0  # robust standard deviations of the residual from which on the field is hardly believed
SHELLS = 64  # of wave numbers, of the residual's spectrum
SLAB = 8  # planes that fit into the cache together


class Splitting:
    r"""Image-domain half of ADMM: split variables and scaled duals, updated a few planes at a time.

    .. math:: \min_\chi \tfrac12 \| w (z - f) \|^2 + \lambda \sum_{inside} p |y| + \tfrac\kappa2 \| v \|^2_{outside},
              \quad z = D\chi,\ y = \nabla\chi,\ v = \chi

    Only differences between two voxels of the mask count, so that the brain's surface costs nothing. The price p of an
    edge is 1 until :meth:`price_edges`.
    """

    def __init__(
        self, field_ppm: np.ndarray, weight: np.ndarray, model: Model, *, mu: np.float32, outside: float
    ) -> None:
        shape = model.inside.shape
        self.field, self.model = field_ppm, model
        self.weigh(weight)
        self.keep = np.float32(mu / (mu + outside))  # of v outside
        self.z, self.z_dual, self.v_dual = (np.zeros(shape, np.float32) for _ in range(3))
        self.y, self.y_dual = (np.zeros((3, *shape), np.float32) for _ in range(2))
        self.price = np.ones(shape, np.float32)

    def start(self, chi: np.ndarray, field: np.ndarray) -> None:
        """Begin at a map and its field in place of zero."""
        self.z[...] = field * self.model.inside
        self.y[...] = differences(chi, self.model.spacing)

    def weigh(self, weight: np.ndarray) -> None:
        """Set the precision of the data, from which they pull on z."""
        self.pull = weight**2 / (weight**2 + np.float32(RHO))

    def price_edges(self, chi: np.ndarray, tissue: np.ndarray | None = None) -> None:
        r"""Let the edges that a map already shows cost less: :math:`p = 1 / (1 + |\nabla\chi| / \epsilon)`.

        This majorises :math:`\epsilon \ln(1 + |\nabla\chi| / \epsilon)`, which grows ever slower, so that a true edge
        keeps its height where the plain sum takes a part of it. How steep an edge is, the whole map tells: with the
        susceptibility of `tissue`, which chi lacks, so that noise does not pass for edges where no others are left.
        """
        steepness = self._steepness(chi)
        whole = steepness if tissue is None else self._steepness(chi + tissue)
        epsilon = max(np.percentile(whole[self.model.inside], STEEP), np.finfo(np.float32).tiny)
        np.maximum(1 / (1 + steepness / np.float32(epsilon)), LEAST_PRICE, out=self.price)

    def _steepness(self, chi: np.ndarray) -> np.ndarray:
        """Size of the gradient, from the differences on both sides of a voxel, so that a turned head has the same."""
        square = np.zeros_like(chi)
        for axis, step in enumerate(self.model.spacing):
            v, m, total = (np.moveaxis(a, axis, 0) for a in (chi, self.model.inside, square))
            half = np.where(m[1:] & m[:-1], (np.diff(v, axis=0) / np.float32(step)) ** 2 / 2, 0)
            total[1:] += half
            total[:-1] += half
        return np.sqrt(square, out=square)

    def update(self, chi: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""From :math:`\chi` and :math:`D\chi` to the right-hand sides of the next :math:`\chi`.

        Returns
        -------
        source : :math:`\nabla^T (y - s_y) + v - s_v`
        surplus : :math:`z - s_z - D\chi`, zero outside the mask
        """
        source, surplus = np.empty_like(chi), np.empty_like(chi)
        for start in range(0, len(chi), SLAB):
            self._split_gradient(chi, slice(start, min(start + SLAB, len(chi))))
        for start in range(0, len(chi), SLAB):
            planes = slice(start, min(start + SLAB, len(chi)))
            source[planes] = self._split_source(chi, planes) + self._divergence(planes)
            surplus[planes] = self._split_field(field, planes)
        return source, surplus

    def _split_gradient(self, chi: np.ndarray, planes: slice) -> None:
        """y + s = relaxed gradient + s; s is its projection onto the ball of radius lambda p / mu = p / MU."""
        n, ahead = planes.stop - planes.start, slice(planes.start, planes.stop + 1)
        g = differences(chi[ahead], self.model.spacing)[:, :n]
        g *= np.float32(RELAX)
        y, s = self.y[:, planes], self.y_dual[:, planes]
        y *= np.float32(1 - RELAX)
        g += y
        g += s
        np.multiply(g, inner_differences(self.model.inside[ahead])[:, :n], out=s)
        norm = np.sqrt(s[0] ** 2 + s[1] ** 2 + s[2] ** 2)
        norm *= np.float32(MU)
        norm /= self.price[planes]
        s /= np.maximum(norm, 1)
        np.subtract(g, s, out=y)

    def _divergence(self, planes: slice) -> np.ndarray:
        """The adjoint of the differences of y - s, at some planes, from those and their neighbours."""
        first, last = max(planes.start - 1, 0), planes.stop + 1
        window = self.y[:, first:last] - self.y_dual[:, first:last]
        return differences_adjoint(window, self.model.spacing)[planes.start - first :][: planes.stop - planes.start]

    def _split_source(self, chi: np.ndarray, planes: slice) -> np.ndarray:
        """v = chi + s inside, shrunk outside; returns v - s."""
        v = chi[planes] + self.v_dual[planes]
        kept = np.where(self.model.inside[planes], 1, self.keep)
        self.v_dual[planes] = v * (1 - kept)
        return v * (2 * kept - 1)

    def _split_field(self, field: np.ndarray, planes: slice) -> np.ndarray:
        """z between relaxed D chi + s and the data, by their weights; returns z - s - D chi."""
        z, s, inside = self.z[planes], self.z_dual[planes], self.model.inside[planes]
        relaxed = np.float32(RELAX) * field[planes] + np.float32(1 - RELAX) * z + s
        np.add(relaxed, self.pull[planes] * (self.field[planes] - relaxed), out=z)
        np.subtract(relaxed, z, out=s)
        return (z - s - field[planes]) * inside


def admm(
    field_ppm: np.ndarray,
    weight: np.ndarray,
    model: Model,
    *,
    regularisation: float,
    passes: Sequence[int],
    tolerance: float,
    outside: float,
    start: np.ndarray | None = None,
    tissue: np.ndarray | None = None,
) -> np.ndarray:
    r"""Minimise by alternating directions, in passes between which edges are priced anew.

    Each takes at most the number of steps given in `passes` and ends early when :math:`\chi` changes by less than
    `tolerance` of its norm.

    .. math:: X \leftarrow \frac{\rho D (D X + F r) + \mu F g}{\rho D^2 + \mu (|\nabla|^2 + 1)}

    with g and r of :class:`Splitting`: two transforms each way an iteration. The first begin at the map `start` [ppm],
    zero where there is none; `tissue` [ppm] is what the field no longer holds.

    Returns
    -------
    X : spectrum of chi
    """
    D, transform, mu = model.D, model.transform, np.float32(MU * regularisation)
    inverse = 1 / (np.float32(RHO) * D**2 + mu * (model.laplacian + 1))
    splitting = Splitting(field_ppm, weight, model, mu=mu, outside=outside)
    chi, field = np.zeros_like(field_ppm), np.zeros_like(field_ppm)
    X = np.zeros(D.shape, np.complex64)
    if start is not None:
        X += transform.forward(start)
        chi, field = start, transform.inverse(D * X)
        splitting.start(chi, field)
    for number, steps in enumerate(passes):
        if number:
            splitting.price_edges(chi, tissue)
            splitting.weigh(believed(weight, field_ppm - field))
        for _ in range(steps):
            source, surplus = splitting.update(chi, field)
            X *= D
            X += transform.forward(surplus)
            X *= D
            X *= np.float32(RHO)
            G = transform.forward(source)
            G *= mu
            X += G
            X *= inverse
            before, chi, field = chi, transform.inverse(X.copy()), transform.inverse(D * X)
            if np.linalg.norm((chi - before)[model.inside]) <= tolerance * np.linalg.norm(chi[model.inside]):
                break
    return X


def believed(weight: np.ndarray, residual_ppm: np.ndarray) -> np.ndarray:
    r"""Precision of the data, less where a map leaves them unexplained: there they hold more than the field of dipoles.

    .. math:: w' = w / \sqrt{1 + (w r / c \sigma)^2}

    as for Cauchy's distribution, :math:`\sigma` by the median of :math:`|w r|`. Such are veins in a voxel and motion.
    """
    size = np.abs(weight * residual_ppm)
    sigma = 1.4826 * float(np.median(size[weight > 0])) if weight.any() else 0.0
    unusual = np.float32(max(UNUSUAL * sigma, float(np.finfo(np.float32).tiny)))
    return weight / np.sqrt(1 + (size / unusual) ** 2)


def unexplained(residual_ppm: np.ndarray, noise_ppm: float, model: Model) -> np.ndarray:
    r"""Wiener estimate of the texture that a sparse map has left in the field, as a spectrum.

    In a shell of wave numbers the residual R holds noise of known power N and the field of an isotropic texture of
    power T, so that :math:`\langle |R|^2 \rangle = N + T \langle D^2 \rangle` yields T, and

    .. math:: \delta X = \frac{D R}{D^2 + \max(N / T, \epsilon)}

    Where noise explains the residual, nothing is added.

    Parameters
    ----------
    residual_ppm : (X, Y, Z) float32 array [ppm], zero outside the mask
    noise_ppm : standard deviation [ppm]
    model : Model
    """
    R = model.transform.forward(residual_ppm)
    shell = np.minimum(model.k * np.float32(SHELLS / model.k.max()), SHELLS - 1).astype(np.int32).ravel()
    N = noise_ppm**2 * model.inside.sum()
    power = np.bincount(shell, (R.real**2 + R.imag**2).ravel(), SHELLS) - N * np.bincount(shell, minlength=SHELLS)
    texture = np.maximum(power, 0) / np.maximum(np.bincount(shell, (model.D**2).ravel(), SHELLS), 1e-12)
    ratio = np.maximum(N / np.maximum(texture, 1e-12 * N + 1e-30), WIENER_FLOOR).astype(np.float32)
    R *= model.D / (model.D**2 + ratio[shell].reshape(model.D.shape))
    return R


def relative_weight(precision: np.ndarray | None, known: np.ndarray) -> np.ndarray:
    """Precision of the data: the precision up to its 90th percentile, mean square 1, zero where nothing is known."""
    if precision is None:
        return known.astype(np.float32)
    weight = np.where(known & np.isfinite(precision), precision, 0).astype(np.float32)
    weight = np.minimum(weight, np.percentile(weight[known], 90))
    return weight / max(np.sqrt(np.mean(weight[known] ** 2)), np.finfo(np.float32).tiny)


def tv(
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
    r"""Sparse edges under a masked, weighted dipole model, plus what noise does not explain of the rest.

    .. math:: \min_\chi \tfrac12 \| w (D \chi - f) \|^2 + \lambda \sum \epsilon \ln (1 + |\nabla (\chi - t)| / \epsilon)

    The field is fitted inside the mask only. lambda is `tv_weight` times the error of the field, which is measured,
    not assumed: noise-free fields are hardly smoothed. The logarithm, solved as total variation whose edges are priced
    anew between passes, does not lower tall edges. The first pass begins at sources far stronger than tissue
    (:mod:`recon.maths.strong_sources`), which the steps would not reach; :func:`believed` keeps voxels that hold more
    than the field of dipoles from making streaks. Sources of background that was left in the field may lie in a margin
    around the mask, at a penalty of `tv_outside`. With `tv_prior: tissue`, edges that follow the contrasts of
    `magnitude` by one rule for the whole brain cost nothing, as far as the field confirms that rule: t is that of
    :func:`recon.inversion.prior.tissue_spectrum`; else t = 0. Then :func:`unexplained` returns the texture to the map.

    Arrays and result as in :func:`recon.inversion.stage.dipole_inversion`.

    Parameters
    ----------
    precision : (X, Y, Z) float array, optional: reciprocal noise of the field, relative
    magnitude : (X, Y, Z, echo) float array, optional: shows where tissues differ
    tv_weight : lambda over the measured error of the field [1/ppm]
    tv_iterations, tv_tolerance : most steps, and the relative change that ends them
    tv_outside : quadratic penalty of sources outside the mask
    tv_prior : `tissue` or `none`
    workers : threads of the transforms

    References
    ----------
    .. [1] Bilgic et al., MRM 72:1444 (2014), doi:10.1002/mrm.25029
    .. [2] Milovic et al., MRM 80:814 (2018), doi:10.1002/mrm.27073
    .. [3] Liu et al., MRM 66:777 (2011), doi:10.1002/mrm.22816: edges of magnitude as a prior
    .. [4] Candes et al., J Fourier Anal Appl 14:877 (2008), doi:10.1007/s00041-008-9045-x: prices of edges
    .. [5] Liu et al., MRM 69:467 (2013), doi:10.1002/mrm.24272: less belief in what stays unexplained
    """
    box = bounding_box(mask)
    inside = np.pad(mask[box], MARGIN)
    model = Model.of(inside, grid, workers)
    precision = None if precision is None else np.pad(precision[box], MARGIN)
    contrasts = np.zeros((0, *inside.shape), np.float32)
    if look_up(PRIORS, tv_prior, "dipole_inversion.tv_prior") and magnitude is not None:
        shown = tissue_contrasts(magnitude[box], mask[box], grid.voxel_size_mm)
        contrasts = np.pad(shown, [(0, 0), *[(MARGIN, MARGIN)] * 3])
    solver = Solver(weight=tv_weight, iterations=tv_iterations, tolerance=tv_tolerance, outside=tv_outside)
    chi_ppm = np.zeros(field_ppm.shape, np.float32)
    fields, maps = (v[..., None] if v.ndim == 3 else v for v in (field_ppm, chi_ppm))
    centre = (slice(MARGIN, -MARGIN),) * 3
    for i in range(fields.shape[-1]):
        field = np.pad(fields[box + (i,)].astype(np.float32, copy=False), MARGIN)
        maps[box + (i,)] = np.where(mask[box], minimised(field, precision, contrasts, model, solver)[centre], 0)
    return chi_ppm


class Solver(NamedTuple):
    """How the minimum is sought: settings of :func:`tv`."""

    weight: float
    iterations: int
    tolerance: float
    outside: float

    @classmethod
    def of(cls, settings: Settings) -> "Solver":
        """Those of a section of the config."""
        return cls(
            weight=settings["tv_weight"],
            iterations=settings["tv_iterations"],
            tolerance=settings["tv_tolerance"],
            outside=settings["tv_outside"],
        )


def minimised(
    field_ppm: np.ndarray, precision: np.ndarray | None, contrasts: np.ndarray, model: Model, solver: Solver
) -> np.ndarray:
    """Map of one echo in the box; the field may hold anything outside the mask."""
    known = model.inside & np.isfinite(field_ppm)
    field_ppm = np.where(known, field_ppm, 0)
    if not field_ppm.any():
        return field_ppm
    weight = relative_weight(precision, known)
    steps = independent_steps(field_ppm, known)
    regularisation = solver.weight * field_error(field_ppm, weight, known, steps)
    noise_ppm = field_noise(field_ppm, known, steps=steps)
    strong_ppm = strong_sources(field_ppm, known, model.grid, workers=model.transform.workers)

    def solve(field: np.ndarray, passes: Sequence[int], tissue: np.ndarray | None = None) -> np.ndarray:
        return admm(
            field,
            weight,
            model,
            regularisation=regularisation,
            passes=passes,
            tolerance=solver.tolerance,
            outside=solver.outside,
            start=strong_ppm,
            tissue=tissue,
        )

    tissue = None
    if len(contrasts):
        first_ppm = model.transform.inverse(solve(field_ppm, [min(FIRST_ITERATIONS, solver.iterations)]))
        tissue = tissue_spectrum(field_ppm, first_ppm, contrasts, model)
    if tissue is not None:
        field_ppm = (field_ppm - model.transform.inverse(tissue * model.D)) * known
    passes = [len(steps) for steps in np.array_split(range(solver.iterations), PASSES)]
    X = solve(field_ppm, passes, None if tissue is None else model.transform.inverse(tissue.copy()))
    residual = (field_ppm - model.transform.inverse(X * model.D)) * known
    X += unexplained(residual, noise_ppm, model)
    return model.transform.inverse(X if tissue is None else X + tissue)


METHODS = {
    "tv": Method(
        run=tv,
        needs=NEEDS["dipole_inversion"]["tv"],
        sentence="""The field was inverted with total variation, the data weighted by the precision of the field
            {{ cite("bilgic2014", "milovic2018") }}. The regularisation was {{ tv_weight | n }} times the measured
            error of the field {{ cite("immerkaer1996") }}, edges that the map already showed were priced less in
            two further passes {{ cite("candes2008") }}, data that it left unexplained were believed less
            {{ cite("liu2013", "holland1977") }}, sources outside the brain had a penalty of
            {{ tv_outside | n }}, and at most {{ tv_iterations | n }} iterations were run (tolerance
            {{ tv_tolerance | n }}). A Wiener filter restored the texture that noise does not explain.
            {% if tv_prior == "tissue" %}
            Total variation was taken of the map minus the susceptibility that follows from T1 weighting and decay of
            the magnitude by one rule for the whole brain, found by robust regression of a first map
            {{ cite("holland1977") }} and weighed by its cross-validated gain {{ cite("stone1974", "efron1973") }}.
            {% endif %}""",
    )
}
