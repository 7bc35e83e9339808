"""The maps of a scan in the derivatives as DICOM series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon.check.overview import CHI_WINDOW_PPM, R2STAR_WINDOW_HZ
from recon.check.pictures import robust_window
from recon.export.quantity import Code, Quantity
from recon.export.series import Study, images, uid, write
from recon.export.slices import slices_of
from recon.export.source import Source, source_of
from recon.files.io import Volume, read_json, read_mask, read_volume, sidecar_path
from recon.maths.affine import SAME_GRID, corner_gap
from recon.problems import Problem, ProblemError

PPB, MS = 1000.0, 1000.0  # a ppm, a second
T2STAR_WINDOW_MS = (0.0, 100.0)
ARBITRARY = Code("[arb'U]", "UCUM", "arbitrary unit")
QUANTITIES = {
    "chi": Quantity(
        suffix="Chimap", kind="QSM", title="Q-Net QSM [ppb]", unit="ppb",
        what="magnetic susceptibility, positive where paramagnetic", factor=PPB, number=9001,
        code=Code("[ppb]", "UCUM", "parts per billion"), meaning=Code("126396", "DCM", "Magnetic Susceptibility"),
        window=(PPB * CHI_WINDOW_PPM[0], PPB * CHI_WINDOW_PPM[1]),
    ),
    "r2star": Quantity(
        suffix="R2starmap", kind="R2_STAR MAP", title="Q-Net R2* [1/s]",
        what="effective transverse relaxation rate R2*", unit="1/s", code=Code("/s", "UCUM", "per second"), number=9002,
        meaning=Code("126395", "DCM", "R2*"), window=R2STAR_WINDOW_HZ,
    ),
    "t1w": Quantity(
        suffix="desc-stage_T1w", kind="T1W", title="Q-Net T1w [a.u.]", what="T1-weighted image", unit="US",
        code=ARBITRARY, number=9003,
    ),
    "t2star": Quantity(
        suffix="T2starmap", kind="T2_STAR MAP", title="Q-Net T2* [ms]", what="effective transverse relaxation time T2*",
        unit="ms", code=Code("ms", "UCUM", "millisecond"), meaning=Code("113064", "DCM", "T2*"), factor=MS, number=9004,
        window=T2STAR_WINDOW_MS,
    ),
    "swi": Quantity(
        suffix="swi", kind="SWI", title="Q-Net SWI [a.u.]", what="susceptibility-weighted image", unit="US",
        code=ARBITRARY, number=9005,
    ),
    "minip": Quantity(
        suffix="minIP", kind="SWI MIN IP", title="Q-Net SWI minIP [a.u.]", unit="US", code=ARBITRARY, number=9006,
        what="minimum intensity projection of the susceptibility-weighted image, the slab centred on each slice",
    ),
}  # fmt: skip
ALWAYS = ("chi", "t1w")  # a scan of one echo has no R2*, and others are made on request
T1W = QUANTITIES["t1w"].suffix
MASK = "desc-brain_mask"


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The maps of one scan.

    Parameters
    ----------
    scan : `sub-01_ses-02`
    folder : where its maps lie
    """

    scan: str
    folder: Path

    def path(self, suffix: str) -> Path:
        """One of its images."""
        return self.folder / f"{self.scan}_{suffix}.nii.gz"

    def sidecar(self, suffix: str) -> dict:
        """What the file beside an image says; nothing where there is none."""
        path = sidecar_path(self.path(suffix))
        return read_json(path) if path.exists() else {}

    def has(self, name: str) -> bool:
        """Whether a map of QUANTITIES is there; chi and t1w always are, or their absence is an error."""
        return name in ALWAYS or self.path(QUANTITIES[name].suffix).exists()


def source_of_scan(maps: Maps, folder: Path, others: Iterable[str]) -> Source:
    """The user's own DICOM that a scan was made from; `others`: labels of the other subjects.

    Raises
    ------
    ProblemError
        See :func:`recon.export.source.source_of`.
    """
    chi = read_volume(maps.path(QUANTITIES["chi"].suffix))
    flip_deg = maps.sidecar(T1W).get("FlipAngle")
    first = _first_echo(maps)
    return source_of(folder, maps.scan, chi.affine, chi.data.shape, first, flip_deg, others)


def _first_echo(maps: Maps) -> np.ndarray | None:
    """(X, Y, Z) magnitude of the first echo in the brain, before R2* decay was removed; None where it is lost.

    The T1w image is S(TE1) exp(TE1 R2*) where it was made from the first echo, see `recon.relaxation.t1`.
    """
    about = maps.sidecar(T1W)
    if about.get("Tool") == "user" or not isinstance(about.get("EchoTime"), int | float):
        return None
    image = read_volume(maps.path(T1W)).data
    if not about.get("R2starDecayRemoved"):
        return image
    r2star = maps.path(QUANTITIES["r2star"].suffix)
    return image * np.exp(-about["EchoTime"] * read_volume(r2star).data) if r2star.exists() else None


def export_scan(
    maps: Maps,
    out: Path,
    names: Sequence[str],
    *,
    dataset: str,
    software: str,
    comments: str,
    source: Source | None = None,
    copy_patient: bool = False,
) -> dict[str, int]:
    """Write the maps of a scan, each as a series in a folder of its own.

    Parameters
    ----------
    maps : of the scan
    out : folder that shall hold the series; none of them is there yet
    names : of QUANTITIES
    dataset : name of the run, which tells scans of one name apart
    software : what made the maps, and its version
    comments : ImageComments of every image
    source : the user's own DICOM of the scan
    copy_patient : whether the patient and the examination are those of the source, else the patient is the subject

    Returns
    -------
    dict
        Number of images by the name of the folder.

    Raises
    ------
    ProblemError
        Where a map is missing, on another grid than the others, or holds values that are not finite.
    """
    volumes = {name: read_volume(maps.path(QUANTITIES[name].suffix)) for name in names}
    brain = read_mask(maps.path(MASK))
    _check_grids(maps, volumes, brain)
    affine = next(iter(volumes.values())).affine
    slices = source.slices if source else slices_of(affine, brain.shape)
    study = _study(maps, brain, affine, dataset, software, comments, source, copy_patient)
    written = {}
    for name, volume in volumes.items():
        quantity = QUANTITIES[name]
        window = quantity.window or (0.0, robust_window(volume.data, brain)[1])
        folder = f"{quantity.number}_{quantity.suffix}"
        try:
            made = images(volume.data, slices, quantity, window, _about(maps, quantity, software), study)
            written[folder] = write(out / folder, made)
        except ValueError as error:
            expected, _, found = str(error).removeprefix("expected ").partition(", found ")
            raise ProblemError([Problem(str(maps.path(quantity.suffix)), expected, found)]) from None
    return written


def _check_grids(maps: Maps, volumes: Mapping[str, Volume], brain: np.ndarray) -> None:
    """Raise ProblemError where maps and mask are not on one grid."""
    first, *_ = volumes.values()
    for name, volume in volumes.items():
        same = volume.data.shape == brain.shape and corner_gap(brain.shape, first.affine, volume.affine) <= SAME_GRID
        if not same:
            expected = f"the grid of {maps.path(MASK).name} {brain.shape}"
            found = f"shape {volume.data.shape}, or another place"
            raise ProblemError([Problem(str(maps.path(QUANTITIES[name].suffix)), expected, found)])


def _study(
    maps: Maps, brain: np.ndarray, affine: np.ndarray, dataset: str, software: str, comments: str,
    source: Source | None, copy_patient: bool,
) -> Study:  # fmt: skip
    """Patient, examination and frame of reference."""
    head = (dataset, maps.scan, np.packbits(brain).tobytes(), np.round(affine, 4).tobytes())
    subject = maps.scan.split("_")[0]
    return Study(
        study=source.study if source else uid("study", *head),
        frame_of_reference=(source.frame_of_reference if source else "") or uid("frame of reference", *head),
        patient=source.patient if source and copy_patient else {"PatientName": subject, "PatientID": subject},
        software=software,
        comments=comments,
        field_tesla=maps.sidecar(QUANTITIES["chi"].suffix).get("MagneticFieldStrength"),
        references=source.references if source else (),
    )


def _about(maps: Maps, quantity: Quantity, software: str) -> str:
    """How a series was made, in a sentence."""
    about = maps.sidecar(quantity.suffix)
    reference = f", relative to {about['Reference']}" if about.get("Reference") not in (None, "none") else ""
    how = f" ({about['EstimationAlgorithm']})" if about.get("EstimationAlgorithm") else ""
    origin = "the user's own image" if about.get("Tool") == "user" else "multi-echo gradient echo images"
    return f"{quantity.what}{reference}, from {origin} by {software}{how}"
