"""Deep grey nuclei as surfaces in MNI space, fitted to public labels: `resources/nuclei_shapes.tsv`.

A row is a star-shaped part of a nucleus: with centre c, rotation R and semi-axes A a point x has the coordinates
u = A^-1 R'(x - c), and lies inside where |u| < r(u / |u|). The radius r is a polynomial of the unit vector: the
monomials of degree 4 and 3, which span the spherical harmonics up to order 4. An ellipsoid has r = 1.

The pallidum is labelled whole, then divided: of its two parts, external (GPe) and internal (GPi), a point belongs to
the one whose own surface is nearer. In a label map the parts stand in place of the whole, which is their union:
:func:`voxels_of` and :func:`whole` put it together again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from recon.files.home import HOME
from recon.regions.nuclei import nucleus_labels, rotation

TABLE = HOME / "resources" / "nuclei_shapes.tsv"
DEGREES = (4, 3)
RADII = (0.05, 2.5)  # in semi-axes, to which the polynomial is held where it was not fitted
REACH_MM = 6.0  # beyond a surface to which its distance is evaluated
FIRST_NEW = max(nucleus_labels()) + 1
NEW = ("subthalamic_nucleus", "accumbens")  # nuclei that the ellipsoids lack
WHITE_MATTER = "white_matter"  # its name in tables, beside those of the nuclei
PARTS = {"pallidum_external": "pallidum", "pallidum_internal": "pallidum"}  # of which nucleus


def _numbered(names: Iterable[str], first: int) -> dict[int, tuple[str, str]]:
    """Labels from `first` on for both sides of each name, left before right."""
    return dict(enumerate(((name, side) for name in names for side in "LR"), start=first))


NUCLEI = nucleus_labels() | _numbered(NEW, FIRST_NEW)
LABELS = NUCLEI | _numbered(PARTS, max(NUCLEI) + 1)  # all that a label map may hold
WHOLE = {  # label of a part → that of the nucleus that it belongs to
    label: next(n for n, key in NUCLEI.items() if key == (PARTS[name], side))
    for label, (name, side) in LABELS.items()
    if name in PARTS
}
MONOMIALS = [axes for degree in DEGREES for axes in combinations_with_replacement(range(3), degree)]
COLUMNS = [
    "label", "name", "hemisphere", "source", "x_mm", "y_mm", "z_mm", "a_mm", "b_mm", "c_mm", "rot_x_deg", "rot_y_deg",
    "rot_z_deg", *("r_" + "".join("xyz"[axis] for axis in axes) for axes in MONOMIALS),
]  # fmt: skip


def names_of(method: str) -> dict[int, tuple[str, str]]:
    """Label → (name, hemisphere) of the nuclei that a method of `locate_nuclei` may place."""
    return {"shapes": LABELS, "network": NUCLEI}.get(method, nucleus_labels())


def values_of(method: str) -> dict[int, tuple[str, str]]:
    """Those of :func:`names_of` that voxels of a label map of the method have: parts in place of their nucleus."""
    names = names_of(method)
    in_parts = {WHOLE[label] for label in names if label in WHOLE}
    return {label: name for label, name in names.items() if label not in in_parts}


def names_in(labels: np.ndarray) -> dict[int, tuple[str, str]]:
    """Label → (name, hemisphere) of every nucleus of the ellipsoids, and of the others and the parts that occur."""
    present = set(np.unique(labels).tolist())
    return {label: name for label, name in LABELS.items() if label < FIRST_NEW or label in present}


def voxels_of(labels: np.ndarray, label: int) -> np.ndarray:
    """Where a nucleus is in a label map, bool of its shape: its own voxels and those of its parts."""
    return np.isin(labels, [label, *(part for part, of in WHOLE.items() if of == label)])


def whole(labels: np.ndarray) -> np.ndarray:
    """A label map, uint8 of the same shape, in which the parts of a nucleus bear the label of that nucleus."""
    renamed = np.arange(256, dtype=np.uint8)
    renamed[list(WHOLE)] = list(WHOLE.values())
    return renamed[np.asarray(labels, np.uint8)]


def nucleus(labels: np.ndarray, name: str) -> np.ndarray:
    """(X, Y, Z) bool, both sides of a nucleus, or of a part of one, in the (X, Y, Z) labels."""
    sides = [voxels_of(labels, label) for label, (of, _) in LABELS.items() if of == name]
    return np.logical_or.reduce(sides)


def polynomials(directions: np.ndarray) -> np.ndarray:
    """The 25 monomials of (N, 3) unit vectors: (N, 25)."""
    return np.stack([np.prod([directions[:, axis] for axis in axes], axis=0) for axes in MONOMIALS], axis=1)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One part of a nucleus.

    Attributes
    ----------
    label : int
    centre_mm, semi_mm : (3,)
    turn : (3, 3) rotation whose columns are the axes
    radius : (25,) coefficients of :func:`polynomials`
    """

    label: int
    centre_mm: np.ndarray
    semi_mm: np.ndarray
    turn: np.ndarray
    radius: np.ndarray

    @property
    def box_mm(self) -> np.ndarray:
        """(3,) half sides of an axis-parallel box about the centre that holds all within `REACH_MM`."""
        directions = np.random.default_rng(0).standard_normal((2000, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        r = np.clip(polynomials(directions) @ self.radius, *RADII)
        return np.abs((directions * r[:, None] * self.semi_mm) @ self.turn.T).max(0) + REACH_MM

    def distance_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Signed distance of (N, 3) points, negative inside: exact to first order near the surface of an ellipsoid."""
        u = (points_mm - self.centre_mm) @ self.turn / self.semi_mm
        length = np.maximum(np.linalg.norm(u, axis=1), 1e-6)
        r = np.clip(polynomials(u / length[:, None]) @ self.radius, *RADII)
        # q = |u| / r grows in proportion along every ray; of its gradient the part along u / A
        return (length / r - 1) * length * r / np.maximum(np.linalg.norm(u / self.semi_mm, axis=1), 1e-6)


@cache
def read_surfaces(path: Path = TABLE) -> tuple[Surface, ...]:
    """All surfaces of a table, of nuclei and of parts."""
    table = np.genfromtxt(path, delimiter="\t", names=True, dtype=None, encoding="utf-8")
    return tuple(
        Surface(
            label=int(row["label"]),
            centre_mm=np.array([row[f"{axis}_mm"] for axis in "xyz"]),
            semi_mm=np.array([row[f"{axis}_mm"] for axis in "abc"]),
            turn=rotation(*(row[f"rot_{axis}_deg"] for axis in "xyz")),
            radius=np.array([row[name] for name in COLUMNS[-len(MONOMIALS) :]]),
        )
        for row in table
    )


def read_shapes(path: Path = TABLE) -> tuple[Surface, ...]:
    """The surfaces of the nuclei in a table, without those of their parts."""
    return tuple(surface for surface in read_surfaces(path) if surface.label in NUCLEI)


def distances(points_mm: np.ndarray, surfaces: tuple[Surface, ...]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Label → indices of the (N, 3) points near the nucleus, and their signed distances [mm], its parts united."""
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for label in dict.fromkeys(surface.label for surface in surfaces):
        best = np.full(len(points_mm), np.inf, np.float32)
        for surface in (s for s in surfaces if s.label == label):
            near = np.flatnonzero((np.abs(points_mm - surface.centre_mm) < surface.box_mm).all(1))
            best[near] = np.minimum(best[near], surface.distance_mm(points_mm[near]))
        where = np.flatnonzero(best < REACH_MM)
        found[label] = where, best[where]
    return found


def label_points(points_mm: np.ndarray, surfaces: tuple[Surface, ...] | None = None) -> np.ndarray:
    """Labels of (N, 3) MNI points [mm]: uint8 (N,), that of the nucleus whose surface they lie deepest within, or 0."""
    label, depth = np.zeros(len(points_mm), np.uint8), np.zeros(len(points_mm), np.float32)
    for nucleus, (where, distance) in distances(points_mm, surfaces or read_shapes()).items():
        deeper = distance < depth[where]
        label[where[deeper]], depth[where[deeper]] = nucleus, distance[deeper]
    return label


def divided(labels: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Labels of (N, 3) MNI points [mm], uint8 (N,), with the part in place of each nucleus that has parts."""
    found = labels.copy()
    for nucleus in dict.fromkeys(WHOLE.values()):
        where = np.flatnonzero(labels == nucleus)
        parts = [surface for surface in read_surfaces() if WHOLE.get(surface.label) == nucleus]
        away_mm = [surface.distance_mm(points_mm[where]) for surface in parts]
        found[where] = np.array([surface.label for surface in parts], np.uint8)[np.argmin(away_mm, axis=0)]
    return found
