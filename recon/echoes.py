"""Echo images of one series → magnitude and phase in radians on one grid, with the facts of the acquisition."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon.acquisition import Acquisition
from recon.io import Volume

PHASE_TOLERANCE_RAD = 0.01  # slack of rounded files around [-pi, pi]


@dataclass(frozen=True, kw_only=True)
class PrepareEchoes:
    """Config section `prepare_echoes`."""

    phase_sign: int
    phase_range: Sequence[float] | None


def phase_to_rad(raw: np.ndarray, units: str | None, source: str, params: PrepareEchoes) -> np.ndarray:
    """Scale stored phase values to radians in [-pi, pi).

    Parameters
    ----------
    raw : float array, as stored
    units : the sidecar's `Units`
    source : name of the file for messages
    params : PrepareEchoes

    Returns
    -------
    phase_rad : float32 array; NaN and Inf stay

    Raises
    ------
    ValueError
        Where neither the unit nor `phase_range` says what the values mean, or the values contradict them.
    """
    low, high = float(np.nanmin(raw)), float(np.nanmax(raw))
    if params.phase_range is not None:
        start, stop = params.phase_range
        slack = 1e-3 * (stop - start)
        if low < start - slack or high > stop + slack:
            raise ValueError(f"{source}: expected phase_range [{start}, {stop}], found {low:g} to {high:g}")
        phase_rad = (raw - start) * (2 * np.pi / (stop - start)) - np.pi
    elif units == "rad":
        if high - low > 2 * np.pi + PHASE_TOLERANCE_RAD:
            raise ValueError(f"{source}: expected wrapped phase in rad (Units: rad), found {low:g} to {high:g}")
        phase_rad = raw
    else:
        raise ValueError(
            f"{source}: expected Units: rad in the sidecar or prepare_echoes.phase_range in the config, "
            f"found Units: {units} and values from {low:g} to {high:g}"
        )
    return (params.phase_sign * (np.mod(phase_rad + np.pi, 2 * np.pi) - np.pi)).astype(np.float32)


def silent_where_bad(magnitude: np.ndarray, phase_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, echo) magnitude and phase, zero where a voxel of any echo is not finite: no signal, no information."""
    bad = ~(np.isfinite(magnitude).all(-1) & np.isfinite(phase_rad).all(-1))
    if not bad.any():
        return magnitude, phase_rad
    return np.where(bad[..., None], 0, magnitude), np.where(bad[..., None], 0, phase_rad)


def prepare_echoes(
    magnitude: Sequence[Volume],
    phase: Sequence[Volume],
    sidecars: Sequence[dict],
    sources: Sequence[str],
    params: PrepareEchoes,
) -> tuple[np.ndarray, np.ndarray, Acquisition]:
    """Stack echoes by echo time.

    Parameters
    ----------
    magnitude, phase : one (X, Y, Z) Volume an echo
    sidecars : the phase images' metadata: EchoTime [s], MagneticFieldStrength [T], Units,
        and optionally FlipAngle [degree], RepetitionTimeExcitation or RepetitionTime [s]
    sources : the phase images' file names, for messages
    params : PrepareEchoes

    Returns
    -------
    magnitude : (X, Y, Z, echo) float32, zero where a voxel of any echo is not finite
    phase_rad : (X, Y, Z, echo) float32 in [-pi, pi], likewise
    acquisition : Acquisition
    """
    order = np.argsort([sidecar["EchoTime"] for sidecar in sidecars])
    phase_rad = np.stack(
        [phase_to_rad(phase[i].data, sidecars[i].get("Units"), sources[i], params) for i in order], axis=-1
    )
    magnitude_4d = np.stack([magnitude[i].data for i in order], axis=-1)
    magnitude_4d, phase_rad = silent_where_bad(magnitude_4d, phase_rad)
    first = sidecars[order[0]]
    acquisition = Acquisition(
        te_s=tuple(float(sidecars[i]["EchoTime"]) for i in order),
        b0_tesla=float(first["MagneticFieldStrength"]),
        b0_dir=tuple(float(b) for b in phase[0].b0_dir),
        voxel_size_mm=tuple(float(v) for v in phase[0].voxel_size_mm),
        tr_s=first.get("RepetitionTimeExcitation", first.get("RepetitionTime")),
        flip_angle_deg=first.get("FlipAngle"),
    )
    return magnitude_4d, phase_rad, acquisition
