"""Maps in template space: what was bent is bent back, values stay, and what was not measured lends none."""

import numpy as np
import pytest

from recon.files.io import read_volume, write_volume
from recon.regions.deformation import SHAPE, displaced, grid_points
from recon.regions.shapes import label_points
from recon.regions.to_template import bent_back, displacement_volume, template_grid, to_template

SUBJECT = (80, 90, 70)


@pytest.fixture(scope="module")
def displacement():
    """A smooth displacement of up to 5 mm [mm] about the basal ganglia."""
    x, y, z = grid_points() - np.array([0, -5, 0]).reshape(3, 1, 1, 1)
    near = np.exp(-((x / 25) ** 2) - (y / 30) ** 2 - (z / 25) ** 2)
    return np.stack([0.15 * x * near, 5 * near, -4 * near]).astype(np.float32)


def test_points_go_there_and_back(displacement):
    points = np.random.default_rng(0).uniform(-30, 30, (500, 3))
    np.testing.assert_allclose(displaced(bent_back(points, displacement), displacement), points, atol=1e-3)


def test_nuclei_that_were_bent_lie_in_the_template_again(displacement):
    affine = np.diag([2.2, 2.1, 2.4, 1.0])
    affine[:3, 3] = -88, -110, -80
    subject_to_mni = np.eye(4)
    subject_to_mni[:3, 3] = 2, -3, 4
    index = np.argwhere(np.ones(SUBJECT, bool))
    points = index @ (subject_to_mni @ affine)[:3, :3].T + (subject_to_mni @ affine)[:3, 3]
    labels = label_points(displaced(points.astype(np.float32), displacement)).reshape(SUBJECT)
    chi = np.where(labels == 3, 0.1, -0.02)  # the putamen of the left
    grid = template_grid()
    where = np.argwhere(grid.data > 0)
    truth = label_points((where @ grid.affine[:3, :3].T + grid.affine[:3, 3]).astype(np.float32)) == 3
    scores = {}
    for name, bent in {"bent back": displacement, "affine": None}.items():
        found = to_template(chi, affine, subject_to_mni, bent)
        assert not found[grid.data == 0].any()
        put = found[tuple(where.T)] > 0.04
        scores[name] = 2 * np.count_nonzero(put & truth) / (np.count_nonzero(put) + np.count_nonzero(truth))
    assert scores["bent back"] > 0.9 > scores["affine"] + 0.1


def test_voxels_without_a_value_lend_none_to_their_neighbours():
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -80, -90, -70
    data = np.full(SUBJECT, 0.05)
    data[40:] = 0
    found = to_template(data, affine, np.eye(4))
    assert set(np.unique(found.round(5))) == {0, np.float32(0.05)}


def test_a_displacement_survives_its_file(tmp_path, displacement):
    field = displacement_volume(displacement)
    write_volume(tmp_path / "u.nii.gz", field.data, field)
    again = read_volume(tmp_path / "u.nii.gz")
    assert again.data.shape == (*SHAPE, 3)
    np.testing.assert_array_equal(np.moveaxis(again.data, -1, 0), displacement)
    np.testing.assert_allclose(again.affine, field.affine)
