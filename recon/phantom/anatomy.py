"""A head on the subject's grid: the MNI152 maps that ship with nilearn, bent, in a parametric skull and face.

The template holds the brain alone. Skull, scalp, neck, face, eyes, air in sinuses, nose, pharynx and ears, and veins
are shapes in MNI coordinates [mm]. Everything is evaluated at the deformed coordinates of the subject's own voxels,
so the only interpolation is that of the template.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from recon.files.io import Volume
from recon.phantom import tissue
from recon.phantom.cohort import Subject
from recon.phantom.shapes import ellipsoid, random_texture, random_waves, share, tube, within
from recon.regions.nuclei import nearest_nucleus, nucleus_labels, nucleus_names
from recon.regions.template import read_template

FOV_MM = (192.0, 228.0, 168.0)
FOV_CENTRE_MM = (0.0, -4.0, 10.0)  # world coordinates, origin at the anterior commissure
HEAD_SIZE = {"M": 0.935, "F": 0.90}  # relative to the template, whose brain is larger than most
DEFORMATION_MM = 2.0  # standard deviation of the displacement
TEXTURE_MM = 2.0
TEXTURE_CHI_PPM = 0.004
TEXTURE_R2STAR = 0.03  # relative
SKULL_MM, SCALP_MM = (2.5, 8.0), 13.5  # outside the brain's surface

# centre, semi-axes [mm, MNI]; mirrored where x is not 0
SOFT_TISSUE = [((0, -45, -80), (58, 62, 70)), ((0, 42, -48), (62, 52, 62))]  # neck, face
EYES = [((32, 62, -36), (12, 12, 12))]
AIR = [
    ((9, 76, -8), (11, 6, 12)),  # frontal sinus
    ((0, 46, -40), (11, 20, 11)),  # ethmoid cells
    ((0, 20, -40), (14, 12, 10)),  # sphenoid sinus
    ((0, 56, -62), (10, 36, 16)),  # nose
    ((28, 56, -60), (12, 15, 15)),  # maxillary sinus
    ((0, 10, -84), (13, 11, 34)),  # pharynx
    ((68, -24, -42), (20, 4, 4)),  # ear canal
    ((58, -40, -44), (7, 10, 11)),  # mastoid cells
]
# paths and radius [mm, MNI]; all but those on the midline are mirrored
VEINS = [
    (((0, -42, 4), (0, -62, 2), (0, -86, -14)), 2.5),  # straight sinus
    (((1.8, 4, 14), (1.8, -18, 15), (1.8, -36, 9), (0, -42, 4)), 1.2),  # internal cerebral vein
    (((2.5, 2, 14), (13, -6, 20), (18, -20, 22)), 1.0),  # thalamostriate vein
    (((9, 2, -19), (17, -16, -12), (12, -32, -4), (0, -42, 4)), 1.1),  # basal vein
    (((2, 4, 13), (3, 22, 6), (12, 34, 10)), 0.9),  # septal vein
]
CORTICAL_VEINS = 7  # a side


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One head on a grid: (X, Y, Z) arrays, float32 unless said.

    Parameters
    ----------
    affine : (4, 4), voxel indices → scanner mm, RAS+
    brain : bool, brain with its CSF
    nuclei : uint8, labels of ``resources/nuclei.tsv``
    chi_ppm, r2star_hz, t1_s, pd : tissue properties, those of 3 T unless `in_field` has changed them; air has pd 0
    """

    affine: np.ndarray
    brain: np.ndarray
    nuclei: np.ndarray
    chi_ppm: np.ndarray
    r2star_hz: np.ndarray
    t1_s: np.ndarray
    pd: np.ndarray

    @property
    def grid(self) -> Volume:
        """The grid as a volume, to write maps like it."""
        return Volume(data=self.pd, affine=self.affine)


def slab(voxel_size_mm: tuple[float, float, float], tilt_deg: float) -> tuple[tuple[int, int, int], np.ndarray]:
    """Shape and affine of an acquisition slab about the head, turned by `tilt_deg` about the left-right axis."""
    nx, ny, nz = (2 * round(fov / v / 2) for fov, v in zip(FOV_MM, voxel_size_mm, strict=True))
    shape = nx, ny, nz
    c, s = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) * np.asarray(voxel_size_mm)
    affine[:3, 3] = FOV_CENTRE_MM - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


def mni_coordinates(shape: tuple[int, int, int], affine: np.ndarray, person: Subject) -> np.ndarray:
    """MNI coordinates [mm] of every voxel, (3, X, Y, Z): pose, size, deformation and ventricle width of a person."""
    rng = person.rng(1)
    angles = np.deg2rad(rng.normal(0, (3, 2, 2)))
    size = HEAD_SIZE[person.sex] * (1 + rng.normal(0, 0.02, 3))
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [other for other in range(3) if other != axis]
        step = np.eye(3)
        step[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = step @ turn
    to_mni = np.diag(1 / size) @ turn @ affine[:3, :3]
    offset = np.diag(1 / size) @ turn @ (affine[:3, 3] + rng.normal(0, 2, 3))
    i, j, k = np.ogrid[tuple(slice(n) for n in shape)]
    coordinates = np.stack(
        [
            (row[0] * i + row[1] * j + row[2] * k + o).astype(np.float32) + DEFORMATION_MM * random_waves(shape, rng)
            for row, o in zip(to_mni, offset, strict=True)
        ]
    )
    # widen the ventricles: near them, look closer to their middle
    x, y, z = coordinates
    near = np.exp(-((x / 28) ** 2) - ((y + 10) / 45) ** 2 - ((z - 14) / 22) ** 2)
    x *= 1 - person.ventricle_widening * near
    z -= person.ventricle_widening * near * (z - 14)
    return coordinates


def _sample(data: np.ndarray, affine: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Trilinear values of a template map with a diagonal affine at MNI coordinates, clamped to its border."""
    scale, offset = np.diag(affine)[:3].astype(np.float32), affine[:3, 3].astype(np.float32)
    index = (coordinates - offset[:, None, None, None]) / scale[:, None, None, None]
    return map_coordinates(data, index, np.float32, order=1, mode="nearest")


def surface_distance(coordinates: np.ndarray) -> np.ndarray:
    """Signed distance [mm] to the surface of the template's brain, negative inside."""
    t1 = read_template("t1")
    inside = t1.data[::2, ::2, ::2] > 0
    spacing = (2, 2, 2)
    distance = distance_transform_edt(~inside, spacing) - distance_transform_edt(inside, spacing)
    affine = t1.affine @ np.diag((2, 2, 2, 1))
    return _sample(distance.astype(np.float32), affine, coordinates)


def _mirrored(centres: list) -> list:
    return [
        (np.array(points, float) * (side, 1, 1), size)
        for points, size in centres
        for side in ((1, -1) if np.any(np.asarray(points, float)[..., 0]) else (1,))
    ]


def _paint(maps: np.ndarray, where: np.ndarray | slice, weight: np.ndarray, kind: tissue.Tissue) -> None:
    maps[:, where] += weight * (kind.array()[:, None] - maps[:, where])


def _paint_head(maps: np.ndarray, points: np.ndarray, d: np.ndarray, edge: float) -> None:
    """Soft tissue, scalp, skull, air and eyes around the brain, into maps that hold air."""
    outline = d - SCALP_MM
    for centre, semi in SOFT_TISSUE:
        outline = np.minimum(outline, ellipsoid(points, centre, semi))
    _paint(maps, slice(None), share(outline, edge), tissue.MUSCLE)
    _paint(maps, slice(None), share(SKULL_MM[1] - d, edge) * share(d - SCALP_MM, edge), tissue.SCALP)
    _paint(maps, slice(None), share(d - SKULL_MM[1], edge), tissue.BONE)
    for kind, shapes in ((tissue.AIR, AIR), (tissue.EYE, EYES)):
        for centre, semi in _mirrored(shapes):
            reach = np.array(semi) + edge
            where = within(points, centre - reach, centre + reach)
            weight = share(ellipsoid(points[:, where], centre, semi), edge) * share(SKULL_MM[0] + 1 - d[where], edge)
            _paint(maps, where, weight, kind)
    _paint(maps, slice(None), share(d - SKULL_MM[0], min(edge, 2.0)), tissue.CSF)


def _paint_veins(maps: np.ndarray, points: np.ndarray, d: np.ndarray, edge: float, rng: np.random.Generator) -> None:
    """Deep veins and sinuses as tubes, the sagittal sinus over the midline, cortical veins over the convexity."""
    for path, radius in _mirrored(VEINS):
        reach = radius + edge
        where = within(points, path.min(0) - reach, path.max(0) + reach)
        _paint(maps, where, share(tube(points[:, where], path, radius), edge), tissue.VEIN)
    top = np.flatnonzero((np.abs(d) < 6) & (points[2] > -10) & ((points[2] > 25) | (points[1] < -60)))
    x, y, _ = points[:, top]
    sinus = np.maximum(np.abs(x) - 3, np.abs(d[top] - 3) - 3)  # within the dura, in its groove of the skull
    _paint(maps, top, share(sinus, edge), tissue.VEIN)
    for side in (-1, 1):
        for at in rng.uniform(-85, 55, CORTICAL_VEINS):
            slant = 0.3 * (np.abs(x) - 30)
            vein = np.maximum(np.hypot(y - at - slant, d[top] + 1) - 1.2, 20 - points[2, top])
            near = np.flatnonzero((x * side > 0) & (vein < edge))
            _paint(maps, top[near], share(vein[near], edge), tissue.VEIN)


def anatomy(person: Subject, voxel_size_mm: tuple[float, float, float], tilt_deg: float) -> Anatomy:
    """Build the head of one subject.

    Parameters
    ----------
    person : Subject
        Gives pose, shape, ventricle width, iron of the nuclei and the random numbers.
    voxel_size_mm : (3,)
    tilt_deg : obliquity of the slab about the left-right axis

    Notes
    -----
    A nucleus is whole within its label, where susceptibility and R2* average exactly the subject's values,
    and fades over one voxel outside.
    """
    shape, affine = slab(voxel_size_mm, tilt_deg)
    edge = float(np.prod(voxel_size_mm) ** (1 / 3))
    coordinates = mni_coordinates(shape, affine, person)
    distance = surface_distance(coordinates)
    tissues = read_template("gm"), read_template("wm")
    grey, white = (_sample(t.data / 255, t.affine, coordinates).ravel() for t in tissues)
    points, d = coordinates.reshape(3, -1), distance.ravel()
    rng = person.rng(2)
    maps = np.tile(tissue.AIR.array()[:, None], d.size)
    _paint_head(maps, points, d, edge)

    label, depth = nearest_nucleus(points.T)
    near = label > 0  # the only grey matter there is the nuclei
    grey, white = np.where(near, 0, grey), np.where(near, grey + white, white)
    total = np.maximum(grey + white, 1)
    white, grey = white / total, grey / total
    _paint(maps, slice(None), white / np.maximum(1 - grey, 1e-3), tissue.WHITE_MATTER)  # cortex then covers its share
    _paint(maps, slice(None), grey, tissue.CORTEX)

    weight = np.where(label > 0, np.clip(1 - depth / edge, 0, 1), 0)
    for number, kind in _nucleus_tissues(person).items():
        where = np.flatnonzero((label == number) & (weight > 0))
        _paint(maps, where, weight[where], kind)
    nuclei = np.where(depth <= 0, label, 0).astype(np.uint8)

    outside = np.flatnonzero((nuclei == 0) & (d < 8))
    some = maps[:, outside]
    _paint_veins(some, points[:, outside], d[outside], edge, rng)
    maps[:, outside] = some

    texture = random_texture(shape, TEXTURE_MM / np.array(voxel_size_mm), rng).ravel() * share(d, edge)
    maps[0] += TEXTURE_CHI_PPM * texture
    maps[1] *= 1 + TEXTURE_R2STAR * texture
    for number, kind in _nucleus_tissues(person).items():
        where = np.flatnonzero(nuclei == number)
        if where.size:
            maps[0, where] += kind.chi_ppm - maps[0, where].mean()
            maps[1, where] *= kind.r2star_hz / maps[1, where].mean()
    chi, r2star, t1, pd = maps.reshape(4, *shape)
    return Anatomy(
        affine=affine,
        brain=distance < 0,
        nuclei=nuclei.reshape(shape),
        chi_ppm=chi,
        r2star_hz=r2star,
        t1_s=t1,
        pd=pd,
    )


def in_field(head: Anatomy, b0_tesla: float) -> Anatomy:
    """The head with the R2* that it has in another main field [T]; T1 stays that of 3 T."""
    return replace(head, r2star_hz=tissue.r2star_at(head.r2star_hz, b0_tesla))


def _nucleus_tissues(person: Subject) -> dict[int, tissue.Tissue]:
    order = nucleus_names()
    return {
        number: tissue.Tissue(
            chi_ppm=person.chi_ppb[order.index(name)] / 1000,
            r2star_hz=person.r2star_hz[order.index(name)],
            t1_s=tissue.NUCLEUS_T1_S[name],
            pd=tissue.NUCLEUS_PD[name],
        )
        for number, (name, _) in nucleus_labels().items()
    }
