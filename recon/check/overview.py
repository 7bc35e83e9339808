"""The pictures that show one subject from the echoes to the maps."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recon.check.pictures import axial_views, mosaic, orthogonal_views, robust_window
from recon.files.io import Volume

CHI_WINDOW_PPM = (-0.15, 0.15)
R2STAR_WINDOW_HZ = (0.0, 60.0)
T2STAR_WINDOW_MS = (0.0, 100.0)
WRAPPED_RAD = (-np.pi, np.pi)
AXIAL_SLICES = 3


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG with its title and caption."""

    title: str
    caption: str
    png: bytes


def draw(title: str, caption: str, *arguments: Any, **overlays: Any) -> Picture:
    """Draw a `mosaic` into memory."""
    stream = io.BytesIO()
    mosaic(stream, *arguments, **overlays)
    return Picture(title=title, caption=caption, png=stream.getvalue())


def echo(volume: Volume, index: int) -> Volume:
    """One echo of a (X, Y, Z, echo) volume."""
    return replace(volume, data=volume.data[..., index])


def map_pictures(chi: Volume, r2star: Volume | None, t1w: Volume, brain: np.ndarray) -> list[Picture]:
    """Susceptibility [ppm], R2* [1/s] if any and T1-weighted image, three planes through the middle of the brain."""
    planes = orthogonal_views(brain, chi.affine)
    bright = (0.0, robust_window(t1w.data, brain)[1])
    pictures = [draw("Susceptibility χ", "Fixed scale, ±0.15 ppm.", chi, planes, CHI_WINDOW_PPM, "ppm", frame=brain)]
    if r2star is not None:
        pictures.append(draw("R2*", "Fixed scale, 0 to 60 1/s.", r2star, planes, R2STAR_WINDOW_HZ, "1/s", frame=brain))
    return [*pictures, draw("T1-weighted", "Arbitrary units.", t1w, planes, bright, "a.u.", frame=brain)]


def decay_pictures(t2star: Volume, s0: Volume, brain: np.ndarray) -> list[Picture]:
    """T2* [s], shown in ms, and the signal at TE = 0, three planes through the middle of the brain."""
    planes = orthogonal_views(brain, s0.affine)
    t2star_ms = replace(t2star, data=1000 * t2star.data)
    bright = (0.0, robust_window(s0.data, brain)[1])
    return [
        draw("T2*", "Fixed scale, 0 to 100 ms.", t2star_ms, planes, T2STAR_WINDOW_MS, "ms", frame=brain),
        draw("Signal at TE = 0", "Arbitrary units.", s0, planes, bright, "a.u.", frame=brain),
    ]


def reference_picture(chi: Volume, region: np.ndarray, about: str, brain: np.ndarray) -> Picture:
    """The region of zero susceptibility (X, Y, Z), outlined in three planes through its middle; `about`: caption."""
    planes = orthogonal_views(region, chi.affine)
    return draw("Reference", about, chi, planes, CHI_WINDOW_PPM, "ppm", contours=(region,), frame=brain)


def echo_pictures(
    magnitude: Volume,
    phase: Volume,
    unwrapped: Volume,
    local_field: Volume,
    te_s: Sequence[float],
    brain: np.ndarray,
) -> list[Picture]:
    """Magnitude with the brain mask, phase before and after unwrapping [rad], local field [ppm]."""
    planes = orthogonal_views(brain, magnitude.affine)
    last = len(te_s) - 1
    te_ms = [f"TE {1000 * te:.1f} ms" for te in te_s]
    strong = echo(magnitude, min(1, last))
    window = (0.0, robust_window(strong.data, brain)[1])
    about = f"{te_ms[min(1, last)]}, outline: brain mask."
    pictures = [draw("Magnitude", about, strong, planes, window, "a.u.", contours=(brain,))]
    separate = local_field.data.ndim == 4
    field, about = (echo(local_field, last), f"{te_ms[last]}, last echo.") if separate else (local_field, "All echoes.")
    window = robust_window(field.data, brain, symmetric=True)
    pictures.append(draw("Local field", about, field, planes, window, "ppm", frame=brain))
    for index in dict.fromkeys((0, last)):
        wrapped, smooth = echo(phase, index), echo(unwrapped, index)
        window = robust_window(smooth.data, brain, symmetric=True)
        pictures += [
            draw(
                "Phase as acquired",
                f"{te_ms[index]}. Fixed scale, ±π.",
                wrapped,
                planes,
                WRAPPED_RAD,
                "rad",
                frame=brain,
            ),
            draw("Unwrapped phase", f"{te_ms[index]}.", smooth, planes, window, "rad", frame=brain),
        ]
    return pictures


def deep_pictures(chi: Volume, nuclei: np.ndarray, box: np.ndarray, brain: np.ndarray) -> list[Picture]:
    """Box and nuclei on axial slices of the susceptibility map [ppm]."""
    slices = axial_views(box, chi.affine, AXIAL_SLICES)
    where = "Axial slices through the box, from inferior to superior."
    return [
        draw(
            "Box of the network input on χ",
            where,
            chi,
            slices,
            CHI_WINDOW_PPM,
            "ppm",
            contours=(box,),
            frame=brain,
        ),
        draw(
            "Nuclei on χ",
            f"{where} Colours repeat.",
            chi,
            slices,
            CHI_WINDOW_PPM,
            "ppm",
            regions=nuclei,
            frame=box,
        ),
    ]
