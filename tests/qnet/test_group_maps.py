"""Maps of two groups: chance is called a difference in 5 % of cohorts, a planted one is found where it is."""

import numpy as np
import pytest
from scipy import ndimage

from qnet.group_maps import pictures
from qnet.group_maps.clusters import GroupMaps, compare, smoothed
from qnet.group_maps.pictures import draw, rows_of

SHAPE = (14, 14, 14)
MASK = np.ones(SHAPE, bool)
HALVES = [True] * 6 + [False] * 6
SETTINGS = GroupMaps(make=True, smoothing_mm=4.0, threshold_p=0.05, permutations=39, seed=3)
BLOB = (slice(4, 8), slice(5, 9), slice(6, 10))


def cohort(rng, subjects=12):
    """Maps of noise that is as smooth as maps are, (n, V)."""
    return np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1) for _ in range(subjects)]).reshape(
        subjects, -1
    )


def test_chance_is_called_a_difference_in_five_of_a_hundred_cohorts():
    rng = np.random.default_rng(1)
    found = [compare(cohort(rng), MASK, HALVES, None, SETTINGS).clusters for _ in range(100)]
    wrong = sum(bool(clusters) and clusters[0].p <= 0.05 for clusters in found)
    assert 1 <= wrong <= 10  # 5 expected; binomial: outside of it in 1.7 % of seeds


def planted(rng, size=1.0):
    maps = cohort(rng)
    maps.reshape(-1, *SHAPE)[:6][(slice(None), *BLOB)] += size
    return maps


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_difference_is_found_where_it_is_and_as_large(sign):
    found = compare(planted(np.random.default_rng(2), sign), MASK, HALVES, None, SETTINGS)
    first, *others = found.clusters
    assert first.sign == sign and first.p == 1 / 40 and all(cluster.p > 0.05 for cluster in others)
    inside = found.labels[BLOB] == 1
    assert inside.mean() > 0.9 and np.count_nonzero(found.labels == 1) < 3 * inside.size
    assert found.difference[BLOB].mean() == pytest.approx(sign, abs=0.1)
    assert sign * found.effect[BLOB].mean() > 2  # the noise has a standard deviation of 0.15
    assert all(part.start <= at < part.stop for part, at in zip(BLOB, first.peak, strict=True))


def test_what_age_explains_is_no_difference_between_groups():
    ages = np.arange(12) % 6 + np.where(HALVES, 6.0, 0.0)
    maps = cohort(np.random.default_rng(4))
    maps.reshape(-1, *SHAPE)[(slice(None), *BLOB)] += 0.1 * ages[:, None, None, None]
    alone, adjusted = (compare(maps, MASK, HALVES, known, SETTINGS) for known in (None, ages))
    assert alone.difference[BLOB].mean() == pytest.approx(0.6, abs=0.15)
    assert abs(adjusted.difference[BLOB].mean()) < 0.3
    assert alone.clusters[0].p <= 0.05 < adjusted.clusters[0].p


def test_the_same_seed_gives_the_same_p():
    maps = planted(np.random.default_rng(5), 0.3)
    one, two = (compare(maps, MASK, HALVES, None, SETTINGS).clusters for _ in range(2))
    assert one == two


def test_groups_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="expected 3 subjects or more in each group, found 2 and 10"):
        compare(cohort(np.random.default_rng(0)), MASK, [True] * 2 + [False] * 10, None, SETTINGS)


def test_smoothing_keeps_a_constant_up_to_the_edge_of_the_mask():
    mask = MASK.copy()
    mask[:5] = False
    np.testing.assert_allclose(smoothed(3.0 * mask, mask, 2.0)[mask], 3, rtol=1e-5)


def test_the_picture_has_the_four_rows_and_repeats(tmp_path):
    found = compare(planted(np.random.default_rng(2)), MASK, HALVES, None, SETTINGS)
    means = {"HH": np.full(SHAPE, 0.02), "HC": np.zeros(SHAPE)}
    rows = rows_of(means, found.difference, found.effect, "ppm", (-0.15, 0.15), ("HH", "HC"))
    assert [row[0] for row in rows] == ["mean, HC", "mean, HH", "HH − HC", "effect"]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, rows, MASK, found.labels == 1, affine, False, "χ")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_pictures_say_where_their_slices_lie_and_colour_differences_alone(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "save", lambda path, figure, synthetic, title: drawn.append(figure))
    mask, affine = np.ones((5, 6, 40), bool), np.diag([2.0, 2.0, 2.0, 1.0])
    affine[2, 3] = -40
    image = np.random.default_rng(0).normal(size=mask.shape)
    rows = pictures.rows_of({"HC": image, "HH": image}, image, image, "ppm", (-0.15, 0.15), ("HH", "HC"))
    pictures.draw("groups.png", rows, mask, mask & False, affine, True, "χ")
    panels = [ax for ax in drawn[0].axes if ax.get_label() != "<colorbar>"]
    assert [ax.get_title() for ax in panels[:3]] == ["z = −34 mm", "z = −12 mm", "z = −4 mm"]
    assert not any(ax.get_title() for ax in panels[6:])
    colours = [ax.images[0].get_cmap().name for ax in panels[::6]]
    assert colours == ["gray", "gray", "RdBu_r", "RdBu_r"]
