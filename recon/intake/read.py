"""Voxels of a series, one echo at a time: raw parts, complex signal, magnitude and phase."""

import numpy as np

from recon.files.io import Volume, read_image
from recon.intake.chop import alternation
from recon.intake.decisions import Decisions
from recon.intake.phase_scale import PhaseScale
from recon.intake.scan import POLAR, Image, Series
from recon.problems import IntakeError, Problem


def name_of(image: Image) -> str:
    """Name for messages: the file, and the place in it where it holds several images."""
    return image.path if image.volume is None else f"{image.path} (volume {image.volume + 1})"


def as_problem(error: ValueError) -> Problem:
    """The parts of a message of `recon.files.io`: file, expected, found."""
    where, _, rest = str(error).partition(": expected ")
    expected, _, found = rest.partition(", found")
    return Problem(where, expected, found.lstrip(": "))


def load(image: Image) -> Volume:
    """One (X, Y, Z) image as float32; IntakeError names a file that cannot be read whole."""
    try:
        return read_image(*image)
    except ValueError as error:
        raise IntakeError([as_problem(error)]) from None


def load_echo(series: Series, echo: int) -> tuple[Volume, Volume]:
    """Both parts of an echo, as stored."""
    first, second = (load(images[echo]) for images in series.images)
    return first, second


def wrapped(phase_rad: np.ndarray) -> np.ndarray:
    """Phase brought to [-pi, pi): a new float32 array."""
    turn = np.float32(2 * np.pi)
    return np.mod(phase_rad + np.float32(np.pi), turn) - np.float32(np.pi)


def polar(series: Series, scale: PhaseScale | None, echo: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitude and phase [rad] of an echo, neither chopping nor sign corrected, and the affine.

    Returns
    -------
    magnitude, phase_rad : (X, Y, Z) float32; NaN and Inf stay
    affine : (4, 4)
    """
    first, second = load_echo(series, echo)
    with np.errstate(invalid="ignore", over="ignore"):  # Inf
        if series.parts == POLAR:
            phase_rad = wrapped(np.float32(scale.slope) * second.data + np.float32(scale.intercept))
            return first.data, phase_rad, first.affine
        return np.hypot(first.data, second.data), np.arctan2(second.data, first.data), first.affine


def complex_signal(magnitude: np.ndarray, phase_rad: np.ndarray) -> np.ndarray:
    """(X, Y, Z) complex64 signal, its largest magnitude 1, and 0 where magnitude or phase are not finite."""
    finite = np.isfinite(magnitude) & np.isfinite(phase_rad)
    largest = np.max(magnitude, where=finite, initial=np.finfo(np.float32).tiny)
    relative, angle = np.where(finite, magnitude, 0) / largest, np.where(finite, phase_rad, 0)
    signal = np.empty(magnitude.shape, np.complex64, order="F")
    signal.real, signal.imag = relative * np.cos(angle), relative * np.sin(angle)
    return signal


def read_series(series: Series, decisions: Decisions) -> tuple[np.ndarray, np.ndarray, Volume]:
    """Stack the echoes.

    Parameters
    ----------
    series : Series
    decisions : what `recon.intake.decide` decided about it

    Returns
    -------
    magnitude : (X, Y, Z, echo) float32; NaN and Inf stay
    phase_rad : (X, Y, Z, echo) float32 in [-pi, pi], likewise; a paramagnetic source advances it
    grid : Volume, the first magnitude

    Raises
    ------
    IntakeError
        Names a file that cannot be read whole.
    """
    magnitude = phase_rad = affine = None
    for echo in range(len(series.te_s)):
        m, phi, place = polar(series, decisions.scale, echo)
        if magnitude is None:
            shape, affine = (*m.shape, len(series.te_s)), place
            magnitude, phase_rad = (np.empty(shape, np.float32, order="F") for _ in range(2))  # as files hold them
        if decisions.chop_axis is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                phi = wrapped(phi + _half_turns(m.shape, decisions.chop_axis))
        magnitude[..., echo] = m
        phase_rad[..., echo] = decisions.phase_sign * phi
    return magnitude, phase_rad, Volume(data=magnitude[..., 0], affine=affine)


def _half_turns(shape: tuple[int, int, int], axis: int) -> np.ndarray:
    """0, pi, 0 … along `axis`: the phase of `alternation`."""
    return np.where(alternation(shape, axis) < 0, np.float32(np.pi), np.float32(0))


def first_magnitude(series: Series) -> Volume:
    """Magnitude of the first echo, 0 where it is not finite."""
    first = load(series.images[0][0])
    with np.errstate(invalid="ignore", over="ignore"):
        data = first.data if series.parts == POLAR else np.hypot(first.data, load(series.images[1][0]).data)
    return Volume(data=np.where(np.isfinite(data), data, np.float32(0)), affine=first.affine)
