"""`locate_nuclei.method: network`: what the shipped network labels on simulated maps, and what does not change it."""

import numpy as np
import pytest
from scipy import ndimage

from recon.files.io import read_json, write_json
from recon.files.weights import trained
from recon.regions import segmentation
from recon.regions.locate import agreement_of
from recon.regions.segmentation import SHAPE, half, normalised, segment
from recon.regions.shapes import NUCLEI, label_points
from recon.regions.template import read_template

CHI_PPM = {"caudate": 0.05, "putamen": 0.07, "pallidum": 0.14, "thalamus": 0.02, "red_nucleus": 0.1,
           "substantia_nigra": 0.12, "dentate": 0.1, "subthalamic_nucleus": 0.1, "accumbens": 0.03}  # fmt: skip
EYE = np.eye(4)


@pytest.fixture(scope="module")
def head():
    """χ [ppm] of the template's deep brain with its surfaces as nuclei: mask, affine, labels, χ."""
    affine = np.diag([1.6, 1.6, 2.0, 1.0])
    affine[:3, 3] = -64, -96, -64
    shape = (81, 101, 66)
    points = np.argwhere(np.ones(shape, bool)) @ affine[:3, :3].T + affine[:3, 3]
    labels = label_points(points).reshape(shape)
    white = read_template("wm")
    index = ((points - white.affine[:3, 3]) / np.diag(white.affine)[:3]).T
    share = ndimage.map_coordinates(white.data / 255, index, order=1).reshape(shape)
    chi = 0.02 - 0.05 * share + 0.008 * np.random.default_rng(0).standard_normal(shape)
    for label, (name, _) in NUCLEI.items():
        chi[labels == label] = CHI_PPM[name]
    return np.ones(shape, bool), affine, labels, ndimage.gaussian_filter(chi, 0.4).astype(np.float32)


@pytest.fixture(scope="module")
def found(head):
    mask, affine, _, chi = head
    return segment({"chi": chi}, mask, mask, affine, EYE)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_susceptibility_alone_is_enough_for_most_nuclei(head, found):
    scores = {f"{name} {side}": dice(found.labels == n, head[2] == n) for n, (name, side) in NUCLEI.items()}
    large = [scores[f"{name} {side}"] for name in ("caudate", "putamen", "pallidum", "thalamus") for side in "LR"]
    assert min(large) > 0.7, scores
    assert set(found.expected_dice) <= set(NUCLEI) and all(0 < dice <= 1 for dice in found.expected_dice.values())


def test_unit_and_reference_of_the_map_do_not_matter(head, found):
    mask, affine, _, chi = head
    other = segment({"chi": 1000 * chi + 30}, mask, mask, affine, EYE)
    assert dice(other.labels > 0, found.labels > 0) > 0.999


def test_a_mirrored_head_gets_mirrored_labels(head, found):
    mask, affine, _, chi = head
    flip = np.diag([-1.0, 1, 1, 1])
    other = segment({"chi": chi}, mask, mask, flip @ affine, EYE)
    sided = np.zeros(len(NUCLEI) + 1, np.uint8)
    for label, (name, side) in NUCLEI.items():
        sided[label] = next(n for n, key in NUCLEI.items() if key == (name, "R" if side == "L" else "L"))
    assert np.mean(sided[other.labels] != found.labels) < 1e-4


def test_where_nothing_was_measured_nothing_is_labelled(head):
    mask, affine, _, chi = head
    left = np.zeros_like(mask)
    left[: mask.shape[0] // 2] = True
    other = segment({"chi": np.where(left, chi, 0)}, left, left, affine, EYE)
    assert {NUCLEI[label][1] for label in np.unique(other.labels) if label} == {"L"}
    assert not segment({"chi": chi}, ~mask, mask, affine, EYE).labels.any()


def test_a_half_shows_the_left_side_mirrored():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60, -90, -60
    image = np.zeros((60, 80, 60), np.float32)
    image[10:20, 40:50, 30:40] = 1  # 40 to 22 mm left
    shown = {side: half(image, affine, EYE, side) for side in "LR"}
    assert shown["L"].shape == SHAPE and shown["L"].max() == 1 and not shown["R"].any()


def test_a_map_is_brought_to_one_range():
    values = np.random.default_rng(0).standard_normal((20, 20, 20)) + 5
    known = np.ones(values.shape, bool)
    known[0] = False
    scaled = normalised(values, known)
    assert not scaled[0].any() and np.median(scaled[1:]) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(scaled, normalised(-3 + 1000 * values, known), atol=1e-4)


def test_agreement_is_the_mean_dice_coefficient():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[1] = 1, 2
    assert agreement_of(labels, labels) == pytest.approx(2 / 14)  # of 14 that ellipsoids have


def test_weights_of_another_file_are_refused(tmp_path):
    write_json(tmp_path / "card.json", read_json(segmentation.CARD) | {"sha256": "0" * 64})
    with pytest.raises(ValueError, match="expected the weights with SHA-256 0000.*make train-segmentation"):
        trained(segmentation.WEIGHTS, tmp_path / "card.json")
