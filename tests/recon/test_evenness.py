"""A brain of which the coils hardly receive a part: told, and no other brain is."""

import numpy as np
import pytest

from recon.check.evenness import LEAST, dimmest, evenness
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

BRAIN = ball(42)
X, Y, Z = grid_mm()
TEXTURE = np.random.default_rng(0).uniform(0.7, 1.3, SHAPE)


@pytest.mark.parametrize(
    "shading",
    [1.0, np.exp(-((X / 60) ** 2)), 1 - 0.9 * ball(9), 1 + (X / 42) ** 2],
    ids=["even", "rim", "lesion", "centre"],
)
def test_smooth_shading_and_lesions_are_no_hole_of_the_receive_field(shading):
    assert evenness(TEXTURE * shading, BRAIN, VOXEL_SIZE_MM).warnings == []


@pytest.mark.parametrize("at_mm", [(10, -5), (-25, 10)])
def test_a_zero_of_the_receive_field_is_told(at_mm):
    echo = TEXTURE * np.hypot(X - at_mm[0] + 0.2 * Z, Y - at_mm[1] - 0.1 * Z)
    found = evenness(echo, BRAIN, VOXEL_SIZE_MM)
    assert len(found.warnings) == 1 and "Uneven signal" in found.warnings[0] and found.broken == []


def test_the_number_has_no_unit_and_is_not_known_without_signal():
    assert dimmest(1e3 * TEXTURE, BRAIN, VOXEL_SIZE_MM) == pytest.approx(
        dimmest(TEXTURE, BRAIN, VOXEL_SIZE_MM), rel=1e-5
    )
    assert LEAST < dimmest(np.where(ball(3), np.nan, TEXTURE), BRAIN, VOXEL_SIZE_MM) <= 1
    assert np.isnan(dimmest(0 * TEXTURE, BRAIN, VOXEL_SIZE_MM)) and np.isnan(dimmest(TEXTURE, BRAIN & False, (1, 1, 1)))
    assert evenness(TEXTURE, BRAIN & False, (1, 1, 1)).warnings == []
