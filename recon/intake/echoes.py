"""Echo images of one series → magnitude and phase in radians on one grid, with the facts of the acquisition."""

from collections.abc import Iterable

import numpy as np

from recon.acquisition import Acquisition
from recon.files.io import Volume
from recon.intake.decide import PrepareEchoes, decide
from recon.intake.decisions import Decisions
from recon.intake.facts import stated_b0_dir
from recon.intake.main_field import main_field
from recon.intake.read import StoredEcho, stacked, stored_echoes
from recon.intake.scan import Series
from recon.intake.slice_offsets import without_offsets
from recon.maths.finite import silent_where_bad


def prepare_echoes(
    series: Series, params: PrepareEchoes, known: Decisions | None = None
) -> tuple[np.ndarray, np.ndarray, Acquisition, Volume]:
    """Decide what the images of a series mean, and stack them by echo time.

    Parameters
    ----------
    series : Series, see `recon.intake.series.series_of`
    params : PrepareEchoes
    known : what :func:`recon.intake.decide.decide` has decided before about the same files and parameters

    Returns
    -------
    magnitude : (X, Y, Z, echo) float32, zero where a voxel of any echo is not finite
    phase_rad : (X, Y, Z, echo) float32 in [-pi, pi], likewise; a paramagnetic source advances it
    acquisition : Acquisition, with what was decided and why
    grid : Volume, the first magnitude

    Raises
    ------
    IntakeError
        Where the images cannot be used, or what they mean is not certain.
    """
    echoes: list[StoredEcho] = []
    decisions = known or decide(series, params, keep=echoes.append)
    read = (echoes.pop(0) for _ in series.te_s) if echoes else stored_echoes(series)
    magnitude, phase_rad, grid = stacked(read, len(series.te_s), decisions)
    magnitude, phase_rad = silent_where_bad(magnitude, phase_rad)
    if decisions.offset_axis is not None:
        phase_rad = without_offsets(phase_rad, magnitude, series.te_s, decisions.offset_axis)
    facts, b0 = series.facts[0], main_field(series.facts)
    maker = facts.get("Manufacturer")  # any text, or anything else that JSON can hold
    acquisition = Acquisition(
        te_s=series.te_s,
        b0_tesla=b0.value,
        b0_dir=_three(stated_b0_dir(facts) or grid.b0_dir),
        voxel_size_mm=_three(grid.voxel_size_mm),
        tr_s=facts.get("RepetitionTimeExcitation", facts.get("RepetitionTime")),
        flip_angle_deg=facts.get("FlipAngle"),
        decisions={"Form": form(series), "Manufacturer": maker and str(maker), **decisions.summary()},
    )
    return magnitude, phase_rad, acquisition, grid


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z


def form(series: Series) -> str:
    """`mag + phase, 12 files of 6 echoes`."""
    return f"{' + '.join(series.parts)}, {len(series.files)} files of {len(series.te_s)} echoes"
