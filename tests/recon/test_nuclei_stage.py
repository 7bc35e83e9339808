"""`python -m recon nuclei`: labels, names and confidence of a map that somebody else made; surfaces and deformation."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from recon.__main__ import main
from recon.files.io import Volume, read_volume, write_volume
from recon.regions.confidence import DOUBTFUL, confidence
from recon.regions.deformation import HIGH_MM, LOW_MM, SHAPE, STEP_MM, bend, displaced, grid_points
from recon.regions.nuclei import nucleus_labels, template_labels
from recon.regions.shapes import FIRST_NEW, LABELS, label_points, names_in
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
    for label, (name, _) in LABELS.items():
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
        assert list(sure.index) == list(names.index)
        assert sure["confidence"].between(0, 1).all()
    assert found["template"].max() < FIRST_NEW
    scores = {method: np.mean([dice(labels == n, head[2] == n) for n in LABELS if n < FIRST_NEW])
              for method, labels in found.items()}  # fmt: skip
    assert scores["shapes"] > max(0.8, scores["template"] + 0.05)


def test_without_a_mask_or_other_maps_the_map_tells_the_brain(head, tmp_path, capsys):
    write(tmp_path, head, t1w=None, mask=None)
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out")]) == 2, "nuclei in water are a phantom"
    assert "chimap.nii.gz: expected a brain that the template fits" in capsys.readouterr().err
    _, _, nuclei, chi, t1w = head
    myelin = np.where((t1w > np.percentile(t1w[t1w > 0], 60)) & (nuclei == 0), -0.03, 0)
    write(tmp_path, head, t1w=None, mask=None, chimap=chi + myelin)
    assert main(["nuclei", str(tmp_path), str(tmp_path / "out")]) == 0
    labels = read_volume(tmp_path / "out/dseg.nii.gz").data
    assert dice(labels == 5, head[2] == 5) > 0.4


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (dict(chimap=None), "chimap.nii.gz: expected a readable NIfTI"),
        (dict(t1w=np.ones((4, 4, 4))), "t1w.nii.gz: expected the grid of chimap.nii.gz, (82, 98, 82), found (4, 4, 4)"),
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
    assert set(np.unique(labels)) == {0, *LABELS}
    for label in nucleus_labels():
        assert dice(labels == label, ellipsoids == label) > 0.6, LABELS[label]
    for label, (name, side) in LABELS.items():
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


def test_confidence_falls_where_the_label_leaves_the_nucleus():
    rng = np.random.default_rng(1)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[14:24, 14:24, 14:24] = 5
    chi = np.where(labels == 5, 0.1, -0.03) + 0.02 * rng.standard_normal(labels.shape)
    names = {5: nucleus_labels()[5], 6: nucleus_labels()[6]}
    of = [confidence(np.roll(labels, shift, 0), chi, names, (1, 1, 1)).set_index("index")["confidence"]
          for shift in (0, 5, 16)]  # fmt: skip
    assert of[0][5] > 0.95
    assert of[0][5] > of[1][5] > of[2][5]
    assert of[2][5] < DOUBTFUL
    assert of[0][6] == 0, "what is not there is not sure"


def test_new_nuclei_have_rows_only_where_they_occur():
    assert names_in(np.array([0, 1, 5])) == nucleus_labels()
    assert names_in(np.array([0, FIRST_NEW])) == nucleus_labels() | {FIRST_NEW: LABELS[FIRST_NEW]}
