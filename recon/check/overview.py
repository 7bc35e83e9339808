"""What people look at of one subject, from the echoes to the maps, and its pictures."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recon.acquisition import GAMMA_HZ_PER_T
from recon.check.pictures import axial_views, mosaic, orthogonal_views, robust_window
from recon.files.io import Volume

CHI_WINDOW_PPM = (-0.15, 0.15)
R2STAR_WINDOW_HZ = (0.0, 60.0)
T2STAR_WINDOW_MS = (0.0, 100.0)
WRAPPED_RAD = (-np.pi, np.pi)
AXIAL_SLICES = 3
LIGHTBOX_SLICES, LIGHTBOX_COLUMNS = 9, 3


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG with its title and caption."""

    title: str
    caption: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image as people look at it, in a picture or in the viewer.

    Parameters
    ----------
    title, caption : in words
    volume : 3-D
    window : values shown as the first and last colour
    unit : of the values
    outlined : whether its picture has the brain's outline and the whole field of view, or the brain alone
    hz_per_unit : factor to a frequency [Hz], of fields
    """

    title: str
    caption: str
    volume: Volume
    window: tuple[float, float]
    unit: str
    outlined: bool = False
    hz_per_unit: float | None = None

    def picture(self, brain: np.ndarray) -> Picture:
        """Three planes through the middle of the brain (X, Y, Z)."""
        planes = orthogonal_views(brain, self.volume.affine)
        overlays: dict[str, Any] = {"contours": (brain,)} if self.outlined else {"frame": brain}
        return draw(self.title, self.caption, self.volume, planes, self.window, self.unit, **overlays)

    def lightbox(self, brain: np.ndarray) -> Picture:
        """Nine axial slices with the outline of the brain (X, Y, Z)."""
        slices = axial_views(brain, self.volume.affine, LIGHTBOX_SLICES)
        caption = f"{self.caption} Nine axial slices from inferior to superior; outline: brain mask."
        overlays = {"contours": (brain,), "frame": brain, "columns": LIGHTBOX_COLUMNS}
        return draw(f"{self.title}, slice by slice", caption, self.volume, slices, self.window, self.unit, **overlays)


def draw(title: str, caption: str, *arguments: Any, **overlays: Any) -> Picture:
    """Draw a `mosaic` into memory."""
    stream = io.BytesIO()
    mosaic(stream, *arguments, **overlays)
    return Picture(title=title, caption=caption, png=stream.getvalue())


def _arbitrary(title: str, caption: str, volume: Volume, brain: np.ndarray, **further: Any) -> Shown:
    """An image in arbitrary units, from zero to what is bright in the brain."""
    window = (0.0, robust_window(volume.data, brain)[1])
    return Shown(title=title, caption=caption, volume=volume, window=window, unit="a.u.", **further)


def map_images(chi: Volume, r2star: Volume | None, t1w: Volume, brain: np.ndarray) -> list[Shown]:
    """Susceptibility [ppm], R2* [1/s] if any and T1-weighted image."""
    fixed, rate = "Fixed scale, ±0.15 ppm.", "Fixed scale, 0 to 60 1/s."
    images = [Shown(title="Susceptibility χ", caption=fixed, volume=chi, window=CHI_WINDOW_PPM, unit="ppm")]
    if r2star is not None:
        images.append(Shown(title="R2*", caption=rate, volume=r2star, window=R2STAR_WINDOW_HZ, unit="1/s"))
    return [*images, _arbitrary("T1-weighted", "Arbitrary units.", t1w, brain)]


def decay_images(t2star: Volume, s0: Volume, brain: np.ndarray) -> list[Shown]:
    """T2* [s], shown in ms, and the signal at TE = 0."""
    t2star_ms, about = replace(t2star, data=1000 * t2star.data), "Fixed scale, 0 to 100 ms."
    return [
        Shown(title="T2*", caption=about, volume=t2star_ms, window=T2STAR_WINDOW_MS, unit="ms"),
        _arbitrary("Signal at TE = 0", "Arbitrary units.", s0, brain),
    ]


def swi_images(swi: Volume, min_ip: Volume, brain: np.ndarray) -> list[Shown]:
    """The susceptibility-weighted image and its minimum intensity projection."""
    projected = "Arbitrary units; the darkest voxel of a slab about each slice."
    return [
        _arbitrary("Susceptibility-weighted", "Arbitrary units.", swi, brain),
        _arbitrary("Minimum intensity projection", projected, min_ip, brain),
    ]


def reference_picture(chi: Volume, region: np.ndarray, about: str, brain: np.ndarray) -> Picture:
    """The region of zero susceptibility (X, Y, Z), outlined in three planes through its middle; `about`: caption."""
    planes = orthogonal_views(region, chi.affine)
    return draw("Reference", about, chi, planes, CHI_WINDOW_PPM, "ppm", contours=(region,), frame=brain)


def magnitude_image(magnitude: Volume, te_s: float, brain: np.ndarray) -> Shown:
    """The magnitude of one echo, whose picture has the whole field of view."""
    return _arbitrary("Magnitude", f"{_te(te_s)}, outline: brain mask.", magnitude, brain, outlined=True)


def field_image(local_field: Volume, te_s: float | None, b0_tesla: float, brain: np.ndarray) -> Shown:
    """The local field [ppm] of the last echo; of all echoes together `te_s` is None."""
    about = "All echoes." if te_s is None else f"{_te(te_s)}, last echo."
    window, hz = robust_window(local_field.data, brain, symmetric=True), 1e-6 * GAMMA_HZ_PER_T * b0_tesla
    title = "Local field"
    return Shown(title=title, caption=about, volume=local_field, window=window, unit="ppm", hz_per_unit=hz)


def phase_images(phase: Volume, unwrapped: Volume, te_s: float, brain: np.ndarray) -> list[Shown]:
    """The phase [rad] of one echo before and after unwrapping."""
    window, about = robust_window(unwrapped.data, brain, symmetric=True), f"{_te(te_s)}."
    scale = f"{about} Fixed scale, ±π."
    return [
        Shown(title="Phase as acquired", caption=scale, volume=phase, window=WRAPPED_RAD, unit="rad"),
        Shown(title="Unwrapped phase", caption=about, volume=unwrapped, window=window, unit="rad"),
    ]


def _te(te_s: float) -> str:
    return f"TE {1000 * te_s:.1f} ms"


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
