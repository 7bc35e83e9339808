"""How labels are scored, and how surfaces are fitted to labels: on shapes whose answer is known."""

import numpy as np
import pytest

from benchmarks.nuclei import surface_distance_mm, widened
from benchmarks.nuclei_shapes import dice, fitted
from recon.regions.nuclei import rotation
from recon.regions.shapes import Surface


def box(start):
    mask = np.zeros((40, 20, 20), bool)
    mask[start : start + 10, 5:15, 5:15] = True
    return mask


def test_surface_distance_of_shifted_boxes_is_the_shift():
    assert surface_distance_mm(box(5), box(5), (1.5, 1, 1)) == 0
    assert surface_distance_mm(box(5), box(8), (1.5, 1, 1)) == pytest.approx(4.5)
    assert np.isnan(surface_distance_mm(box(5), np.zeros((40, 20, 20), bool), (1, 1, 1)))


def test_wide_ventricles_push_nuclei_from_the_midline():
    truth = np.zeros((61, 41, 41), np.uint8)
    truth[15:20, 18:23, 18:23], truth[41:46, 18:23, 18:23] = 1, 2
    wide = widened({"nuclei": truth, "chi": truth.astype(np.float32)}, np.ones(3))
    middle = [np.argwhere(wide["nuclei"] == label)[:, 0].mean() for label in (1, 2)]
    assert middle[0] < 15 and middle[1] > 45
    assert wide["chi"].shape == truth.shape


def test_a_turned_ellipsoid_is_fitted_by_its_own_surface():
    points = np.argwhere(np.ones((50, 44, 40), bool)) - (24.3, 22.1, 20.4)
    turn = rotation(20, -35, 50)
    inside = np.linalg.norm((points - (1, -1, 2)) @ turn / (14, 9, 6), axis=1) < 1
    row = fitted(inside, (50, 44, 40), points)
    surface = Surface(label=1, centre_mm=row[:3], semi_mm=row[3:6], turn=rotation(*row[6:9]), radius=row[9:])
    assert dice(surface.distance_mm(points) < 0, inside) > 0.97
