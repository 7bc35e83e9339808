"""What all trained inversions share: weights and card, the order of axes, and `tv` outside the training's range."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recon.files.home import HOME
from recon.files.weights import trained
from recon.grid import Grid
from recon.inversion.network import Weights
from recon.inversion.problem import Problem, Turn, margins, outside_range
from recon.inversion.total_variation import Solver, tv
from recon.maths.boxes import bounding_box
from recon.maths.contrast import tissue_contrasts
from recon.needs import PRIORS
from recon.registry import look_up

RESOURCES = HOME / "resources"  # weights, and cards with their hash and where they may be used
FALLEN_BACK = "the map is that of tv"
Solve = Callable[[Problem, Weights], np.ndarray]  # → map of the problem's box, in units of the field's spread


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A trained inversion.

    Parameters
    ----------
    name : of the method, and of its files in `resources/`
    start : the map by whose residual it is judged whether the scan is in the range of the training
    finish : the result, of a problem whose start is that map
    from_tv : whether problems start from the map of total variation, and show magnitude; else from zero
    """

    name: str
    start: Solve
    finish: Solve
    from_tv: bool


def inverted(
    learnt: Learnt,
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    precision: np.ndarray | None,
    magnitude: np.ndarray | None,
    settings: Mapping[str, Any],
    workers: int,
) -> np.ndarray:
    """Map of a trained inversion, or of `tv` with a warning where a scan lies outside the range of its training.

    Axes are put in one order first, so that an object turned together with B0 gives the turned map. Arrays, `settings`
    and result as in :func:`recon.inversion.total_variation.tv`.

    Raises
    ------
    ValueError
        The shipped weights are missing or are not those of their card.

    Warns
    -----
    UserWarning
        The scan is outside the range of the training.
    """
    path = RESOURCES / f"{learnt.name}.safetensors"
    weights, card = trained(path, path.with_suffix(".json"))
    if not mask.any():
        return np.zeros(field_ppm.shape, np.float32)
    box = bounding_box(mask)
    turn = Turn.of(grid, mask[box].shape)
    inside, turned = turn.there(mask[box]), turn.grid(grid)
    contrasts, solver = None, None
    if learnt.from_tv:
        solver = Solver.of(settings)
        if look_up(PRIORS, settings["tv_prior"], "dipole_inversion.tv_prior") and magnitude is not None:
            contrasts = tissue_contrasts(turn.there(magnitude[box]), inside, turned.voxel_size_mm)
    own = None if precision is None else turn.there(precision[box])
    centre = tuple(slice(low, low + n) for (low, _), n in zip(margins(inside.shape), inside.shape, strict=True))
    chi_ppm = np.zeros(field_ppm.shape, np.float32)
    fields, maps = (v[..., None] if v.ndim == 3 else v for v in (field_ppm, chi_ppm))
    fallen_back: dict[str, list[int]] = {}
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
        problem = replace(problem, start=learnt.start(problem, weights))
        if beyond := outside_range(problem, turned, card["range"]):
            fallen_back.setdefault(beyond, []).append(i + 1)
            inputs: dict[str, Any] = {"precision": precision, "magnitude": magnitude, "workers": workers}
            maps[..., i] = tv(fields[..., i], mask, grid, **inputs, **settings)
        elif problem.field.any():
            found = learnt.finish(problem, weights)[centre] * np.float32(problem.scale)
            maps[box + (i,)] = turn.back(np.where(inside, found, 0))
    for beyond, echoes in fallen_back.items():
        which = f" in {'echoes' if len(echoes) > 1 else 'echo'} {', '.join(map(str, echoes))}"
        where = which if field_ppm.ndim > 3 else ""
        warnings.warn(f"{learnt.name}: {FALLEN_BACK}{where}: the network is for {beyond}", stacklevel=3)
    return chi_ppm
