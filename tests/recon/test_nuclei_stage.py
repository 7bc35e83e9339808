"""`python -m recon nuclei`: labels, names and confidence of a map that somebody else made; surfaces and deformation."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from recon.__main__ import main
from recon.files.io import Volume, read_json, read_volume, write_volume
from recon.maths.affine import of_box
from recon.regions import deformation, locate
from recon.regions.confidence import DOUBTFUL, confidence
from recon.regions.deformation import HIGH_MM, LOW_MM, SHAPE, STEP_MM, bend, displaced, grid_points
from recon.regions.detail import Detail
from recon.regions.nuclei import nucleus_labels, template_labels
from recon.regions.registration import Registration
from recon.regions.shapes import FIRST_NEW, LABELS, NUCLEI, WHOLE, divided, label_points, names_in, voxels_of, whole
from recon.regions.template import read_template

CHI_PPM = {"caudate": 0.05, "putamen": 0.07, "pallidum": 0.14, "thalamus": 0.02, "red_nucleus": 0.1,
           "substantia_nigra": 0.12, "dentate": 0.1, "subthalamic_nucleus": 0.1, "accumbens": 0.03}  # fmt: skip
VOXEL_MM = 2.0


def points_of(shape, affine):
    return np.argwhere(np.ones(shape, bool)) @ affine[:3, :3].T + affine[:3, 3]


def bump(points):
    """A smooth displacement of up to 4 mm [mm] about the basal ganglia."""
    x, y, z = (points - (0, -5, 0)).T
    near = np.exp(-((x / 40) ** 2) - (y / 50) ** 2 - (z / 40) ** 2)
    return np.stack([0.08 * x * near, 3 * near, 2.5 * near], 1)


@pytest.fixture(scope="module")
def head():
    """Maps of the template's brain with the surfaces as nuclei, moved by `bump`: affine, mask, labels, chi, t1w."""
    t1 = read_template()
    shape = (82, 98, 82)
    affine = np.diag([VOXEL_MM] * 3 + [1.0])
    affine[:3, 3] = -82, -118, -72
    points = points_of(shape, affine)
    bent = points + bump(points)
    index = ((bent - t1.affine[:3, 3]) / np.diag(t1.affine)[:3]).T
    image = ndimage.map_coordinates(t1.data, index, order=1).reshape(shape)
    mask = ndimage.binary_fill_holes(image > 0.1 * image.max())
    labels = label_points(bent).reshape(shape) * mask
    rng = np.random.default_rng(3)
    chi = np.where(mask, -0.03 + 0.01 * rng.standard_normal(shape), 0).astype(np.float32)
    for label, (name, _) in NUCLEI.items():
        chi[labels == label] += 0.03 + CHI_PPM[name]
    return affine, mask, labels, chi, image * mask


def write(folder, head, **others):
    affine, mask, _, chi, t1w = head
    for name, data in ({"chimap": chi, "t1w": t1w, "mask": mask} | others).items():
        if data is not None:
            write_volume(folder / f"{name}.nii.gz", data.astype(np.float32), Volume(data=chi, affine=affine))


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_both_methods_label_a_map_and_shapes_follow_the_deformation(head, tmp_path):
    write(tmp_path, head)
    found = {}
    for method in ("template", "shapes"):
        out = tmp_path / method
        assert main(["nuclei", str(tmp_path), str(out), "--set", f"method={method}"]) == 0
        found[method] = read_volume(out / "dseg.nii.gz").data
        names = pd.read_csv(out / "dseg.tsv", sep="\t").set_index("index")["name"]
        assert set(np.unique(found[method]).astype(int)) - {0} == set(names.index)
        assert names[3] == "putamen L"
        sure = pd.read_csv(out / "confidence.tsv", sep="\t").set_index("index")
        assert set(names.index) | {5, 6} == set(sure.index), "the pallidum has rows beside its parts"
        assert sure["confidence"].between(0, 1).all()
    assert found["template"].max() < FIRST_NEW
    scores = {method: np.mean([dice(whole(labels) == n, head[2] == n) for n in NUCLEI if n < FIRST_NEW])
              for method, labels in found.items()}  # fmt: skip
    assert scores["shapes"] > max(0.8, scores["template"] + 0.05)
    points = points_of(head[2].shape, head[0])
    parts = divided(head[2].ravel(), points + bump(points)).reshape(head[2].shape)
    assert all(dice(found["shapes"] == part, parts == part) > 0.75 for part in WHOLE)


def test_nuclei_in_water_are_a_phantom(head, tmp_path, capsys):
    write(tmp_path, head, t1w=None, mask=None)
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "chimap.nii.gz: expected a brain that the template fits" in capsys.readouterr().err


@pytest.fixture
def quick(monkeypatch):
    """The registration of `head`, which lies as the template does, is given; the deformation is a coarse one."""
    fit = Registration(subject_to_mni=np.eye(4), mutual_information=1.0, correlation=0.9, detail=Detail(0.5, 0.1))
    monkeypatch.setattr(locate, "registered", lambda *maps: fit)
    monkeypatch.setattr(deformation, "SMOOTHING_MM", (8.0,))
    monkeypatch.setattr(deformation, "ITERATIONS", 3)


def stage(folder, name):
    """Labels and sidecar of the stage with the method `shapes`."""
    assert main(["nuclei", str(folder), str(folder / name), "--set", "method=shapes"]) == 0
    return read_volume(folder / name / "dseg.nii.gz").data, read_json(folder / name / "dseg.json")


def agreement(labels, truth):
    return np.mean([dice(whole(labels) == label, truth == label) for label in nucleus_labels()])


@pytest.fixture(scope="module")
def deep(head):
    """The deep brain of `head`."""
    affine, *maps = head
    low = np.floor((LOW_MM - affine[:3, 3]) / VOXEL_MM).astype(int)
    box = tuple(
        slice(max(a, 0), b) for a, b in zip(low, low + np.ceil((HIGH_MM - LOW_MM) / VOXEL_MM).astype(int), strict=True)
    )
    return of_box(affine, box), *(data[box] for data in maps)


def test_susceptibility_alone_bends_the_shapes(deep, quick, tmp_path):
    write(tmp_path, deep, t1w=None)
    labels, about = stage(tmp_path, "out")
    affine_alone = label_points(points_of(labels.shape, deep[0])).reshape(labels.shape)
    assert about["Method"] == "shapes" and about["Registration"]["DeformationKept"]
    assert agreement(labels, deep[2]) > agreement(affine_alone, deep[2]) + 0.03


def test_r2star_takes_part_where_it_lies_beside_the_map(deep, quick, tmp_path):
    affine, mask, truth, chi, _ = deep
    noise = np.random.default_rng(5).standard_normal(mask.shape)
    nothing_shows, r2star_hz = np.where(mask, 0.01 * noise + 0.002, 0), np.where(mask, 17 + 120 * (chi + 0.03), 0)
    write(tmp_path, deep, chimap=nothing_shows, r2star=r2star_hz)
    labels, _ = stage(tmp_path, "out")
    affine_alone = label_points(points_of(labels.shape, affine)).reshape(labels.shape)
    assert agreement(labels, truth) > agreement(affine_alone, truth) + 0.03


def myelin(labels, t1w):
    return np.where((t1w > np.percentile(t1w[t1w > 0], 60)) & (labels == 0), -0.03, 0)


def test_a_map_of_somebody_else_is_enough(head, tmp_path):
    """Alone, without a mask, not a number outside the brain, another zero, oblique, other axes, cut above and below."""
    affine, mask, labels, chi, t1w = head
    chi = chi + myelin(labels, t1w)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (10, -6, 8), degrees=True).as_matrix()
    kept = slice(12, 62)  # 26 mm below the dentate to 30 mm above the caudate
    cut = affine.copy()
    cut[:3, 3] += affine[:3, :3] @ (0, 0, kept.start)
    theirs = np.where(mask, chi + 0.04, np.nan)[:, :, kept].transpose(1, 2, 0)[:, ::-1]
    axes = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, theirs.shape[1] - 1], [0, 0, 0, 1.0]])
    write_volume(tmp_path / "chimap.nii.gz", theirs.astype(np.float32), Volume(data=theirs, affine=turn @ cut @ axes))
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out")]) == 0
    found = read_volume(tmp_path / "out/dseg.nii.gz").data[:, ::-1].transpose(2, 0, 1)
    assert dice(found == 5, labels[:, :, kept] == 5) > 0.4


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (dict(chimap=None), "chimap.nii.gz: expected a readable NIfTI"),
        (dict(t1w=np.ones((4, 4, 4))), "t1w.nii.gz: expected the grid of chimap.nii.gz, (82, 98, 82), found (4, 4, 4)"),
        (dict(r2star=np.ones((4, 4, 4))), "r2star.nii.gz: expected the grid of chimap.nii.gz, (82, 98, 82), found "),
        (dict(mask=np.ones((4, 4, 4))), "mask.nii.gz: expected the grid of chimap.nii.gz"),
        (dict(mask=np.zeros((82, 98, 82))), "mask.nii.gz: expected a 3-D mask that is not empty"),
        (dict(chimap="ppb"), "chimap.nii.gz: expected susceptibility in ppm, 95 % of it below 2, found "),
        (dict(chimap="zero"), "chimap.nii.gz: expected susceptibility [ppm] in the brain, found no voxel"),
        (dict(chimap="4d"), "chimap.nii.gz: expected a 3-D map, found shape (82, 98, 82, 2)"),
        (dict(chimap="full", mask=None), "mask.nii.gz: expected a brain mask, or a map that is zero outside the brain"),
    ],
)
def test_what_cannot_be_used_is_refused(head, tmp_path, capsys, others, message):
    chi = head[3]
    made = {"ppb": 1000 * chi, "zero": 0 * chi, "4d": np.stack([chi, chi], -1), "full": chi + 0.001}
    write(tmp_path, head, **{name: made[data] if isinstance(data, str) else data for name, data in others.items()})
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_labelled_where_nothing_is_to_be(head, tmp_path, capsys):
    write(tmp_path, head)
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out"), "--set", "method=none"]) == 2
    assert "expected template or shapes or network, found none" in capsys.readouterr().err


def test_surfaces_are_apart_and_agree_with_the_ellipsoids():
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = LOW_MM
    shape = tuple((HIGH_MM - LOW_MM).astype(int))
    labels, ellipsoids = label_points(points_of(shape, affine)).reshape(shape), template_labels(shape, affine)
    assert set(np.unique(labels)) == {0, *NUCLEI}
    for label in nucleus_labels():
        assert dice(labels == label, ellipsoids == label) > 0.6, LABELS[label]
    parts = divided(labels.ravel(), points_of(shape, affine)).reshape(shape)
    assert np.array_equal(whole(parts), labels) and set(np.unique(parts)) == {0, *LABELS} - set(WHOLE.values())
    middle = {label: np.argwhere(voxels_of(parts, label)).mean(0) for label in LABELS}
    assert all(abs(middle[e][0] + LOW_MM[0]) > abs(middle[i][0] + LOW_MM[0]) for e, i in ((19, 21), (20, 22)))
    for label, (name, side) in NUCLEI.items():
        x = np.argwhere(labels == label)[:, 0].mean() + LOW_MM[0]
        assert (x < 0) == (side == "L"), name


def test_without_contrast_the_affine_registration_stands():
    points = grid_points()
    affine = np.diag([STEP_MM] * 3 + [1.0])
    affine[:3, 3] = LOW_MM
    noise = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    bent = bend({"chi": noise}, np.ones(SHAPE, bool), affine, np.eye(4))
    moved = displaced(points.reshape(3, -1).T[::97], bent.displacement_mm) - points.reshape(3, -1).T[::97]
    assert np.sqrt((moved**2).sum(1)).mean() < 0.5
    nothing = bend({"chi": noise}, np.zeros(SHAPE, bool), affine, np.eye(4))
    assert not nothing.kept
    assert not nothing.displacement_mm.any()


def test_a_constant_moves_no_nucleus(head, monkeypatch):
    affine, mask, _, chi, _ = head
    monkeypatch.setattr(deformation, "SMOOTHING_MM", (8.0,))
    monkeypatch.setattr(deformation, "ITERATIONS", 3)
    bent = [bend({"chi": np.where(mask, chi + zero, 0)}, mask, affine, np.eye(4)) for zero in (0, 0.5)]
    assert bent[0].kept and np.abs(bent[0].displacement_mm).max() > 0.5
    np.testing.assert_allclose(*(one.displacement_mm for one in bent), atol=1e-3)


def test_confidence_falls_where_the_label_leaves_the_nucleus():
    rng = np.random.default_rng(1)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[14:24, 14:24, 14:24] = 5
    chi = np.where(labels == 5, 0.1, -0.03) + 0.02 * rng.standard_normal(labels.shape)
    names = {5: nucleus_labels()[5], 6: nucleus_labels()[6]}
    of = [confidence(np.roll(labels, shift, 0), chi, names, (1, 1, 1)).set_index("index")["confidence"]
          for shift in (0, 2, 16)]  # fmt: skip
    assert of[0][5] > 0.95
    assert of[0][5] > of[1][5] > of[2][5]
    assert of[2][5] < DOUBTFUL
    assert of[0][6] == 0, "what is not there is not sure"


def test_a_label_that_is_right_on_one_side_alone_is_doubtful():
    rng = np.random.default_rng(2)
    nucleus, labels = np.zeros((2, 40, 40, 40), bool)
    nucleus[14:24, 14:24, 14:24] = True
    labels[17:27, 14:24, 14:24] = True  # seven tenths of it
    chi = np.where(nucleus, 0.1, -0.03) + 0.02 * rng.standard_normal(labels.shape)
    sure = confidence(5 * labels.astype(np.uint8), chi, {5: nucleus_labels()[5]}, (1, 1, 1)).set_index("index")
    assert sure["contrast_ppm"][5] > 0.1, "as a whole it stands out"
    assert sure["confidence"][5] < DOUBTFUL


def test_parts_have_their_own_confidence_and_the_whole_that_of_their_union():
    rng = np.random.default_rng(4)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[12:20, 14:24, 14:24], labels[20:26, 14:24, 14:24] = 19, 21
    chi = np.where(labels > 0, 0.1, -0.03) + 0.02 * rng.standard_normal(labels.shape)
    sure = confidence(labels, chi, names_in(labels), (1, 1, 1)).set_index("index")
    assert sure["voxels"][5] == sure["voxels"][19] + sure["voxels"][21] == 1400
    assert (sure["confidence"][[5, 19, 21]] > 0.95).all()


def test_new_nuclei_have_rows_only_where_they_occur():
    assert names_in(np.array([0, 1, 5])) == nucleus_labels()
    assert names_in(np.array([0, FIRST_NEW])) == nucleus_labels() | {FIRST_NEW: LABELS[FIRST_NEW]}
