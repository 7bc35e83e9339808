"""Voxels of a series, one echo at a time: as stored, as a complex signal, as magnitude and phase."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice, repeat
from typing import NamedTuple

import numpy as np

from recon.files.io import Volume, read_volume
from recon.files.nifti_header import open_at_voxels
from recon.files.voxels import StoredImage, images_behind
from recon.intake.chop import alternation
from recon.intake.contents import kind_problems
from recon.intake.decisions import Decisions, PhaseScale
from recon.intake.scan import POLAR, Image, Series
from recon.maths.pieces import in_blocks
from recon.problems import IntakeError, Problem, ProblemError


class StoredEcho(NamedTuple):
    """Both parts of one echo as the files hold them, and its place in the series."""

    echo: int
    first: StoredImage
    second: StoredImage


def name_of(image: Image) -> str:
    """Name for messages: the file, and the place in it where it holds several images."""
    return image.path if image.volume is None else f"{image.path} (volume {image.volume + 1})"


def stored_echoes(series: Series) -> Iterator[StoredEcho]:
    """The echoes of a series in order; every file is opened and read once, when its turn comes.

    Raises
    ------
    IntakeError
        After the last echo, with all files that are damaged or hold voxels of a wrong kind. Their echoes are left out.
    """
    damaged: list[Problem] = []
    first, second = (_images_of_part(images, damaged) for images in series.images)
    for echo, (a, b) in enumerate(zip(first, second, strict=True)):
        if a is not None and b is not None:
            yield StoredEcho(echo, a, b)
    if damaged:
        raise IntakeError(list(dict.fromkeys(damaged)))


def _images_of_part(images: Sequence[Image], damaged: list[Problem]) -> Iterator[StoredImage | None]:
    """The images of one part; None for those that cannot be read, whose problems are added to `damaged`."""
    for path, of_file in groupby(images, key=lambda image: image.path):
        wanted = len(list(of_file))
        missing = wanted
        try:
            for image in islice(_images_of_file(path), wanted):
                missing -= 1
                yield image
        except ProblemError as error:
            damaged += error.problems
        else:
            damaged += (
                [Problem(path, f"{wanted} images, as its header says", f"{wanted - missing}: copy it anew")]
                if missing
                else []
            )
        yield from repeat(None, missing)


def _images_of_file(path: str) -> Iterator[StoredImage]:
    with open_at_voxels(path) as (header, stream):
        if problems := kind_problems(path, header.kind):
            raise ProblemError(problems)
        yield from images_behind(header, stream)


def wrapped(phase_rad: np.ndarray) -> np.ndarray:
    """Phase brought to [-pi, pi): a new float32 array."""
    return in_blocks(_wrapped, phase_rad)


def _wrapped(phase_rad: np.ndarray) -> np.ndarray:
    turn, half = np.float32(2 * np.pi), np.float32(np.pi)
    wrapped_rad = phase_rad + half
    outside = ~((wrapped_rad >= 0) & (wrapped_rad < turn))  # few; the remainder of the others is themselves
    wrapped_rad[outside] = np.mod(wrapped_rad[outside], turn)
    wrapped_rad -= half
    return wrapped_rad


def polar(
    stored: StoredEcho,
    scale: PhaseScale | None,
    out: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and phase [rad] of an echo, neither chopping nor sign corrected.

    Parameters
    ----------
    stored : StoredEcho
    scale : of the phase; None where the parts are real and imaginary
    out : arrays to hold both, or None for new ones, see :func:`recon.maths.pieces.in_blocks`

    Returns
    -------
    magnitude, phase_rad : (X, Y, Z) float32; NaN and Inf stay
    """
    magnitude, phase_rad = out
    with np.errstate(invalid="ignore", over="ignore"):  # Inf
        if scale is not None:
            slope, intercept = np.float32(scale.slope), np.float32(scale.intercept)
            values = stored.second.values(phase_rad)
            phase_rad = in_blocks(lambda raw: _wrapped(slope * raw + intercept), values, out=phase_rad)
            return stored.first.values(magnitude), phase_rad
        first, second = stored.first.values(), stored.second.values()
        return in_blocks(np.hypot, first, second, out=magnitude), in_blocks(np.arctan2, second, first, out=phase_rad)


def complex_signal(magnitude: np.ndarray, phase_rad: np.ndarray) -> np.ndarray:
    """(X, Y, Z) complex64 signal, its largest magnitude 1, and 0 where magnitude or phase are not finite."""
    finite = np.isfinite(magnitude) & np.isfinite(phase_rad)
    largest = np.max(magnitude, where=finite, initial=np.finfo(np.float32).tiny)

    def signal(m: np.ndarray, phi: np.ndarray, known: np.ndarray) -> np.ndarray:
        relative, angle = np.where(known, m, 0) / largest, np.where(known, phi, 0)
        z = np.empty(m.shape, np.complex64)
        z.real, z.imag = relative * np.cos(angle), relative * np.sin(angle)
        return z

    return in_blocks(signal, magnitude, phase_rad, finite, dtype=np.complex64)


def stacked(echoes: Iterator[StoredEcho], n_echoes: int, decisions: Decisions) -> tuple[np.ndarray, np.ndarray, Volume]:
    """Magnitude and phase of all echoes on one grid.

    Parameters
    ----------
    echoes : in order, `n_echoes` of them; none is held longer than it takes
    decisions : what `recon.intake.decide` decided about them

    Returns
    -------
    magnitude : (X, Y, Z, echo) float32; NaN and Inf stay
    phase_rad : (X, Y, Z, echo) float32 in [-pi, pi], likewise; a paramagnetic source advances it
    grid : Volume, the first magnitude
    """
    first = next(echoes)
    header, waiting = first.first.header, chain([first], echoes)
    del first
    shape = (*header.shape[:3], n_echoes)
    magnitude, phase_rad = (np.empty(shape, np.float32, order="F") for _ in range(2))  # as files hold them
    for stored in waiting:
        phi = polar(stored, decisions.scale, (magnitude[..., stored.echo], phase_rad[..., stored.echo]))[1]
        if decisions.chop_axis is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                phi[...] = wrapped(phi + _half_turns(phi.shape, decisions.chop_axis))
        if decisions.phase_sign < 0:
            np.negative(phi, out=phi)
    return magnitude, phase_rad, Volume(data=magnitude[..., 0], affine=header.affine, codes=header.codes)


def _half_turns(shape: tuple[int, ...], axis: int) -> np.ndarray:
    """0, pi, 0 … along `axis`: the phase of `alternation`."""
    return np.where(alternation(shape, axis) < 0, np.float32(np.pi), np.float32(0))


def load(image: Image) -> Volume:
    """One (X, Y, Z) image as float32; IntakeError names a file that cannot be read whole."""
    try:
        volume = read_volume(*image)
    except ProblemError as error:
        raise IntakeError(error.problems) from None
    if volume.data.shape[3:] not in ((), (1,)):
        raise IntakeError([Problem(image.path, "a 3-D image", f"shape {volume.data.shape}")])
    return replace(volume, data=volume.data.reshape(volume.data.shape[:3], order="A"))


def first_magnitude(series: Series) -> Volume:
    """Magnitude of the first echo, 0 where it is not finite."""
    first = load(series.images[0][0])
    with np.errstate(invalid="ignore", over="ignore"):
        data = first.data if series.parts == POLAR else np.hypot(first.data, load(series.images[1][0]).data)
    return replace(first, data=np.where(np.isfinite(data), data, np.float32(0)))
