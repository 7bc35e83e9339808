"""One simulated head as every vendor would store it, through intake and the chain: which susceptibility comes out.

``python -m tests.recon.intake.vendor_table`` prints the table of vendor, form, geometry and difference.
"""

from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from recon.acquisition import Acquisition
from recon.files.io import Volume, write_stored
from recon.intake.echoes import PrepareEchoes, prepare_echoes
from recon.intake.scan import CARTESIAN, POLAR, Series
from recon.intake.series import series_of
from recon.intake.vendors import VENDORS, Vendor
from recon.maths.boxes import bounding_box
from recon.phantom import bids
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject
from recon.phantom.field import head_field, shim
from recon.phantom.signal import acquire
from recon.phantom.vendor import VARIANTS, encode, restored
from recon.pipeline import Maps, reconstruct
from tests.recon.arms import PAPER

CFG = Simulate(
    preset="easy",
    subjects=2,
    seed=1,
    voxel_size_mm=(3.0, 2.5, 4.0),
    te_s=(0.005, 0.015, 0.025),
    tr_s=0.036,
    flip_angles_deg=(24.0,),
    b0_tesla=3.0,
    b0_tilt_deg=0.0,
    snr=100.0,
    vendor="reference",
    sites={},
)
AIR = 2  # voxels kept around the brain
CLEAR_OF_RIM = 2  # voxels; nearer to the rim, rounding decides whether the trim keeps a voxel
PREPARE = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
ALL = VENDORS | VARIANTS
ECHOES = range(1, len(CFG.te_s) + 1)
SIGNAL = 100.0  # of white matter's 1000


class Form(NamedTuple):
    """Parts of the complex signal; one 4-D file a part, or a 3-D file an echo."""

    parts: tuple[str, str]
    one_file: bool


FORMS = {
    "mag/phase 3-D": Form(POLAR, False),
    "mag/phase 4-D": Form(POLAR, True),
    "real/imag 3-D": Form(CARTESIAN, False),
    "real/imag 4-D": Form(CARTESIAN, True),
}


class Geometry(NamedTuple):
    """Obliquity about the left-right axis, and the order of storage as `recon.phantom.vendor.restored` takes it."""

    tilt_deg: float
    axes: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[int, ...] = ()


GEOMETRIES = {
    "axial RAS": Geometry(0),
    "axial LPS": Geometry(0, flipped=(0, 1)),
    "axial LAS, left-handed": Geometry(0, flipped=(0,)),
    "sagittal PSR, left-handed": Geometry(0, axes=(1, 2, 0), flipped=(0,)),
    "coronal RSA, left-handed": Geometry(0, axes=(0, 2, 1)),
    "oblique 20 LAI": Geometry(20, flipped=(0, 2)),
    "oblique 20 PSR, left-handed": Geometry(20, axes=(1, 2, 0), flipped=(0,)),
}


class Head(NamedTuple):
    """(X, Y, Z, echo) complex signal on its grid, and where it is reconstructed."""

    signal: Volume
    mask: np.ndarray


@cache
def head(tilt_deg: float) -> Head:
    """The simulated head in the phantom's own order of storage, cropped."""
    person = subject(CFG, 0)
    whole = anatomy(person, CFG.voxel_size_mm, tilt_deg)
    total_ppm = head_field(whole.chi_ppm, whole.brain, whole.grid.voxel_size_mm, whole.grid.b0_dir)
    total_ppm = shim(total_ppm, whole.brain, whole.affine)
    signal = np.stack(list(acquire(whole, total_ppm, CFG, person.rng(3))), axis=-1)
    box = tuple(slice(max(s.start - AIR, 0), s.stop + AIR) for s in bounding_box(whole.brain))
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    affine = affine.astype(np.float32).astype(float)  # as exact as a NIfTI header is
    return Head(
        Volume(data=signal[box], affine=affine), ndimage.binary_erosion(whole.brain[box], iterations=CLEAR_OF_RIM)
    )


def write(folder: Path, signal: Volume, vendor: Vendor, form: Form) -> Series:
    """Write all echoes as a vendor would, and find them again."""
    files = []
    for part in form.parts:
        stored, facts = vendor.pixels(part), bids.sidecars(CFG, vendor, part)
        pixels = np.stack([encode(echo, vendor, part) for echo in np.moveaxis(signal.data, -1, 0)], axis=-1)
        images = {f"sub-01_echo-{n}_part-{part}_MEGRE.nii": (pixels[..., n - 1], facts[n - 1]) for n in ECHOES}
        if form.one_file:
            images = {f"sub-01_part-{part}_MEGRE.nii": (pixels, facts[0] | {"EchoTime": list(CFG.te_s)})}
        for name, (data, sidecar) in images.items():
            write_stored(folder / name, data, signal.affine, stored.slope, stored.intercept, sidecar)
            files.append(str(folder / name))
    return series_of(files, [file.replace(".nii", ".json") for file in files])


@lru_cache(maxsize=len(ALL) * len(GEOMETRIES))
def taken_in(vendor: str, form: str, geometry: str) -> tuple[np.ndarray, np.ndarray, Acquisition]:
    """Magnitude, phase [rad] and acquisition that the intake makes of a vendor's files."""
    tilt_deg, axes, flipped = GEOMETRIES[geometry]
    with TemporaryDirectory() as folder:
        files = write(Path(folder), restored(head(tilt_deg).signal, axes, flipped), ALL[vendor], FORMS[form])
        magnitude, phase_rad, acquisition, _ = prepare_echoes(files, PREPARE)
    return magnitude, phase_rad, acquisition


def own_form(vendor: str) -> str:
    """Name of the form that a vendor exports, a file an echo."""
    return next(name for name, form in FORMS.items() if form.parts == ALL[vendor].parts)


@cache
def reference(tilt_deg: float, parts: tuple[str, str]) -> Maps:
    """What the chain makes of the signal itself: no file, no intake."""
    signal, mask = head(tilt_deg)
    magnitude = np.abs(signal.data)
    if parts == POLAR:  # every vendor's magnitude is of whole numbers
        magnitude = np.rint(magnitude)
    grid = {"b0_dir": tuple(signal.b0_dir), "voxel_size_mm": tuple(signal.voxel_size_mm)}
    acquisition = Acquisition(te_s=CFG.te_s, b0_tesla=CFG.b0_tesla, **grid)
    return reconstruct(np.angle(signal.data), magnitude, mask, acquisition, PAPER)


def back(data: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(X, Y, Z) or (X, Y, Z, echo) array in the phantom's own order of storage."""
    return np.flip(data, geometry.flipped).transpose(*np.argsort(geometry.axes), *range(3, data.ndim))


def phase_difference(vendor: str, form: str, geometry: str) -> float:
    """Largest difference [rad] from the signal's phase, where there is signal; pi in all voxels does not count."""
    _, phase_rad, _ = taken_in(vendor, form, geometry)
    signal, mask = head(GEOMETRIES[geometry].tilt_deg)
    where = mask[..., None] & (np.abs(signal.data) > SIGNAL)
    turn = np.exp(1j * back(phase_rad, GEOMETRIES[geometry])[where]) * signal.data[where].conj()
    return float(np.abs(np.angle(turn * np.sign(turn.real.sum()))).max())


def chi_difference(vendor: str, form: str, geometry: str) -> tuple[float, float]:
    """Largest and root mean square difference [ppm] from the reconstruction of the signal itself."""
    tilt_deg, axes, flipped = GEOMETRIES[geometry]
    signal, mask = head(tilt_deg)
    magnitude, phase_rad, acquisition = taken_in(vendor, form, geometry)
    stored_mask = restored(Volume(data=mask, affine=signal.affine), axes, flipped).data
    maps = reconstruct(phase_rad, magnitude, stored_mask, acquisition, PAPER)
    expected = reference(tilt_deg, FORMS[form].parts)
    error = (back(maps.chi_ppm, GEOMETRIES[geometry]) - expected.chi_ppm)[expected.mask]
    return float(np.abs(error).max()), float(np.sqrt(np.mean(error**2)))


def main() -> None:
    """Print every vendor x form x geometry."""
    print(f"{'vendor':24} {'form':14} {'geometry':27} {'phase max':>10} {'chi max':>10} {'chi RMS':>10}")
    print(f"{'':67} {'rad':>10} {'ppm':>10} {'ppm':>10}")
    for vendor, form, geometry in product(ALL, FORMS, GEOMETRIES):
        if vendor in VARIANTS and FORMS[form].parts == CARTESIAN:
            continue  # they differ in the phase alone
        numbers = phase_difference(vendor, form, geometry), *chi_difference(vendor, form, geometry)
        print(f"{vendor:24} {form:14} {geometry:27}", *(f"{number:10.1e}" for number in numbers), flush=True)


if __name__ == "__main__":
    main()
