"""Deep grey nuclei and white matter on the subject's grid, the box of the basal ganglia, statistics per region."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from recon.files.tables import read_table
from recon.grid import Grid, Vector
from recon.maths.boxes import bounding_box, slice_axis
from recon.problems import Problem, ProblemError, to_type
from recon.regions.confidence import confidence
from recon.regions.coverage import THIN_MM, THIN_SLAB
from recon.regions.nuclei import deep_brain_mm, label_nuclei, nucleus_labels, nucleus_names
from recon.regions.registration import read_white_matter
from recon.regions.shapes import WHITE_MATTER, names_in, voxels_of, whole

METHODS = ("template", "shapes", "network", "none")
BOX_COLUMNS = ["x0", "x1", "y0", "y1", "z0", "z1"]

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class LocateNuclei:
    """Parameters of the localisation.

    Attributes
    ----------
    method : str
        `template`, `shapes` or `network`, see :mod:`recon.regions.locate`, or `none`: nothing is located, as suits
        phantoms, animals and ex vivo.
    boxes : str or None
        Path of a table of expert boxes, which take the place of the computed ones.
    box_holds : sequence of str
        Names of the nuclei that the computed box holds.
    margin_mm : float
        Margin of that box in plane, mm.

    Raises
    ------
    ValueError
        An unknown nucleus.
    """

    method: str
    boxes: str | None
    box_holds: tuple[str, ...]
    margin_mm: float

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            line = to_type("locate_nuclei.method", METHODS[0])
            raise ValueError(
                f"locate_nuclei.method: expected {', '.join(METHODS)}, found {self.method} (for example {line})"
            )
        if unknown := sorted(set(self.box_holds) - set(nucleus_names())):
            known = ", ".join(nucleus_names())
            line = to_type("locate_nuclei.box_holds", f"[{nucleus_names()[0]}]")
            found = f"{', '.join(unknown)} (for example {line})"
            raise ValueError(f"locate_nuclei.box_holds: expected {known}, found {found}")


def subject_labels(mask: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray) -> np.ndarray:
    """Nuclei on the subject's grid: each voxel of the mask is looked up at its place in MNI space.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Brain.
    affine : (4, 4) array
        Voxel indices to scanner coordinates, mm.
    subject_to_mni : (4, 4) array
        Scanner coordinates to MNI coordinates, mm.

    Returns
    -------
    (X, Y, Z) uint8 array
        Label of the nucleus, 0 outside.
    """
    labels, to_mni = np.zeros(mask.shape, np.uint8), subject_to_mni @ affine
    corners = _moved(np.array(list(product(*zip(*deep_brain_mm(), strict=True)))), np.linalg.inv(to_mni))
    low = np.clip(np.floor(corners.min(0)), 0, mask.shape).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 1, 0, mask.shape).astype(int)
    deep = tuple(map(slice, low, high))
    labels[deep][mask[deep]] = label_nuclei(_moved(np.argwhere(mask[deep]) + low, to_mni))
    return labels


def white_matter(mask: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray) -> np.ndarray:
    """The core of white matter on the subject's grid; arguments as in :func:`subject_labels`.

    Returns
    -------
    (X, Y, Z) bool array
        Part of `mask`; see :func:`recon.regions.registration.read_white_matter`.
    """
    template = read_white_matter()
    to_template = np.linalg.inv(template.affine) @ subject_to_mni @ affine
    index = np.rint(_moved(np.argwhere(mask), to_template)).astype(int)
    index = np.clip(index, 0, np.array(template.data.shape) - 1)  # to its rim, which holds no white matter
    core = np.zeros(mask.shape, bool)
    core[mask] = template.data[tuple(index.T)] > 0
    return core


def _moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 3) points under a (4, 4) affine map."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def box_around(labels: np.ndarray, nuclei: Sequence[str], margin_mm: float, voxel_size_mm: Vector) -> Box:
    """Smallest box around the given nuclei, with a margin in plane and none across slices.

    Parameters
    ----------
    labels : (X, Y, Z) uint8 array
        Nuclei.
    nuclei : sequence of str
        Names of those that count.
    margin_mm : float
        Margin in plane, mm.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel; the slices are normal to the largest.

    Returns
    -------
    tuple of three slices

    Raises
    ------
    ValueError
        Where none of the nuclei lies in the image.
    """
    wanted = [label for label, (name, _) in nucleus_labels().items() if name in nuclei]
    position = np.argwhere(np.isin(whole(labels), wanted))
    if len(position) == 0:
        raise ValueError(f"nuclei: expected {', '.join(nuclei)} in the brain, found none of them")
    margin = np.ceil(margin_mm / np.asarray(voxel_size_mm, float) - 1e-6).astype(int)
    margin[slice_axis(Grid(voxel_size_mm))] = 0
    start = np.maximum(position.min(axis=0) - margin, 0)
    stop = np.minimum(position.max(axis=0) + margin + 1, labels.shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return x, y, z


@dataclass(frozen=True, kw_only=True)
class ExpertBoxes:
    """Boxes that somebody drew, a row a scan.

    Attributes
    ----------
    path : str
        Where they stand, for messages.
    table : DataFrame
        ``participant_id x0 x1 y0 y1 z0 z1``: names have the prefix ``sub-``, voxels are of the native axes, half open.
    """

    path: str
    table: pd.DataFrame

    def box_of(self, scan: str, shape: tuple[int, int, int]) -> Box | None:
        """Box of one scan.

        Parameters
        ----------
        scan : str
            ``sub-01`` or ``sub-01_ses-02``; where the table does not list the visit, the subject's row holds for it.
        shape : tuple of int
            Shape of the scan's image.

        Returns
        -------
        tuple of three slices, or None where the table lists neither

        Raises
        ------
        ProblemError
            Where the scan is listed twice, or the box is empty or leaves the image.
        """
        ids = self.table["participant_id"]
        listed = [name for name in (scan, scan.split("_")[0]) if (ids == name).any()]
        if not listed:
            return None
        rows = self.table[ids == listed[0]]
        if len(rows) > 1:
            raise ProblemError([Problem(self.path, f"one row for {listed[0]}", f"{len(rows)}")])
        values = rows[BOX_COLUMNS].apply(pd.to_numeric, errors="coerce").to_numpy(float).reshape(3, 2)
        start, stop = values.T
        if not np.all((np.rint(values) == values) & (values >= 0)) or np.any((start >= stop) | (stop > shape)):
            expected = f"whole voxels with 0 <= start < stop <= {tuple(shape)} for {listed[0]}"
            raise ProblemError([Problem(self.path, expected, f"{rows[BOX_COLUMNS].to_numpy().tolist()[0]}")])
        x, y, z = (slice(int(a), int(b)) for a, b in values)
        return x, y, z


def read_boxes(path: str | Path) -> ExpertBoxes:
    """Read a table of expert boxes.

    Raises
    ------
    ProblemError
        Where it is no table, columns are missing or a name has no ``sub-``.
    """
    try:
        table = read_table(path)
    except ValueError as error:
        raise ProblemError([Problem(str(path), "a table with tabs between its columns", str(error))]) from error
    missing = [column for column in ["participant_id", *BOX_COLUMNS] if column not in table]
    if missing:
        raise ProblemError([Problem(str(path), f"the columns {missing}", f"{list(table.columns)}")])
    table["participant_id"] = table["participant_id"].astype(str)
    if not table["participant_id"].str.startswith("sub-").all():
        expected = "names that begin with sub- as participant_id"
        raise ProblemError([Problem(str(path), expected, f"{table['participant_id'].tolist()}")])
    return ExpertBoxes(path=str(path), table=table)


def box_mask(shape: tuple[int, int, int], box: Box) -> np.ndarray:
    """(X, Y, Z) bool array that is True inside the box."""
    mask = np.zeros(shape, bool)
    mask[box] = True
    return mask


def region_statistics(
    labels: np.ndarray,
    white: np.ndarray,
    maps: dict[str, np.ndarray],
    voxel_size_mm: Vector,
    covered_mm: float = np.inf,
    reference: np.ndarray | None = None,
) -> pd.DataFrame:
    """Size, susceptibility and relaxation of each nucleus, and of white matter to compare with.

    Parameters
    ----------
    labels : (X, Y, Z) uint8 array
        Nuclei.
    white : (X, Y, Z) bool array
        White matter; what is labelled as a nucleus does not count.
    maps : dict
        Quantity with its unit (``chi_ppm``, ``r2star_hz``) → (X, Y, Z) array; a voxel that is zero or not finite
        was not measured and does not count.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel.
    covered_mm : float
        Of the brain along B0, see :func:`recon.regions.coverage.coverage_mm`.
    reference : (X, Y, Z) bool array
        The region whose mean susceptibility is zero; None where that is no region of its own.

    Returns
    -------
    DataFrame
        One row a nucleus, also where it holds no voxel, and a part of one where it occurs, then with index 0
        ``white_matter`` and, with `reference`, ``reference`` and ``whole_brain``, all voxels in which susceptibility is
        known: ``index name hemisphere voxels volume_mm3``, the ``confidence`` of its place
        (:func:`recon.regions.confidence.confidence`), and for each map ``_mean``, ``_sd`` (of the voxels, n - 1),
        ``_median``, missing where nothing was measured; at the end
        `flag`, which says `thin_slab` where less than `THIN_MM` are covered.
    """
    held = (labels > 0) | white
    if reference is not None:
        held |= reference | (maps["chi_ppm"] != 0)
    box = bounding_box(held)  # all that counts
    labels, white, reference = labels[box], white[box], None if reference is None else reference[box]
    maps = {quantity: data[box] for quantity, data in maps.items()}
    names = names_in(labels)
    sure = confidence(labels, maps["chi_ppm"], names, voxel_size_mm).set_index("index")["confidence"]
    regions: list[tuple[int, str, str | None, np.ndarray]] = [
        (label, name, hemisphere, voxels_of(labels, label)) for label, (name, hemisphere) in names.items()
    ]
    regions.append((0, WHITE_MATTER, None, white & (labels == 0)))
    if reference is not None:
        regions += [(0, "reference", None, reference), (0, "whole_brain", None, maps["chi_ppm"] != 0)]
    rows = []
    for index, name, hemisphere, where in regions:
        voxels = int(np.count_nonzero(where))
        volume_mm3 = voxels * float(np.prod(voxel_size_mm))
        row = {"index": index, "name": name, "hemisphere": hemisphere, "voxels": voxels, "volume_mm3": volume_mm3}
        row |= {"confidence": sure.get(index, np.nan)}
        rows.append(row | {key: v for quantity, data in maps.items() for key, v in _summary(quantity, data[where])})
    return pd.DataFrame(rows).assign(flag=THIN_SLAB if covered_mm < THIN_MM else None)


def _summary(quantity: str, values: np.ndarray) -> list[tuple[str, float]]:
    """Mean, standard deviation and median of the voxels that were measured."""
    values = values[np.isfinite(values) & (values != 0)].astype(float)
    return [
        (f"{quantity}_mean", values.mean() if values.size else np.nan),
        (f"{quantity}_sd", values.std(ddof=1) if values.size > 1 else np.nan),
        (f"{quantity}_median", np.median(values) if values.size else np.nan),
    ]
