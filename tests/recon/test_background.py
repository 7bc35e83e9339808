from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from recon.background import METHODS, STAGE, local_field
from recon.grid import Grid
from recon.maths.kernels import convolve, sphere_kernel
from recon.maths.spheres import least_radius_mm
from tests.recon.arms import PAPER
from tests.recon.physics import GRID, SHAPE, VOXEL_SIZE_MM, ball, field_of, grid_mm, nuclei, slope

BRAIN = ball(40)
INNER = field_of(nuclei())
OUTER = field_of(9.4 * ball(6, (0, 52, -20)).astype(np.float32))
UP = np.array([0.0, 0.0, 1.0])
X, Y, Z = (c / 40 for c in grid_mm())
HARMONICS = {
    "x": X,
    "xy": X * Y,
    "z2": Z**2 - (X**2 + Y**2) / 2,
    "x3": X**3 - 3 * X * Y**2,
    "all": 0.7 + 0.4 * X - 0.8 * Z + 0.3 * (X**2 - Y**2),
}
ALL = pytest.mark.parametrize("method", METHODS)
LARGEST_REST = 2e-3  # of a harmonic field's range: float32 and, for LBV, the tolerance of its solver
# least slope and largest relative error of the local field of the nuclei; SHARP loses what truncation takes
QUALITY = {
    "sharp": (0.93, 0.16),
    "vsharp": (0.92, 0.20),
    "resharp": (0.90, 0.22),
    "lbv": (0.94, 0.14),
    "lbv_sources": (0.95, 0.14),
    "pdf": (0.90, 0.31),
}


def remove(field_ppm, method, mask=BRAIN, b0_dir=UP, voxel_size_mm=VOXEL_SIZE_MM, magnitude=None):
    chosen = STAGE.chosen(PAPER["local_field"] | {"method": method})
    grid = Grid(voxel_size_mm, b0_dir)
    return local_field(np.asarray(field_ppm, np.float32), mask, grid, magnitude=magnitude, **chosen)


def error(estimate, truth, mask):
    """Norm of the error over the norm of the truth, both with zero mean."""
    e, t = (v[mask] - v[mask].mean() for v in (estimate, truth))
    return np.linalg.norm(e - t) / np.linalg.norm(t)


@ALL
def test_a_constant_field_vanishes(method):
    local, eroded = remove(np.ones(SHAPE), method)
    assert np.abs(local[eroded]).max() < LARGEST_REST


@ALL
@pytest.mark.parametrize("name", HARMONICS)
def test_harmonic_fields_vanish(method, name):
    field = HARMONICS[name]
    local, eroded = remove(field, method)
    assert np.abs(local[eroded]).max() < LARGEST_REST * np.ptp(field[BRAIN])


@ALL
def test_the_field_of_a_source_outside_vanishes(method):
    local, eroded = remove(OUTER, method)
    assert local[eroded].std() < 0.015 * OUTER[BRAIN].std()
    assert np.abs(local[eroded]).max() < 0.03 * np.ptp(OUTER[BRAIN])


@ALL
def test_the_field_of_sources_inside_stays(method):
    local, eroded = remove(INNER, method)
    least_slope, largest_error = QUALITY[method]
    assert least_slope < slope(local, INNER, eroded) < 1.02
    assert error(local, INNER, eroded) < largest_error


@ALL
def test_background_does_not_change_what_is_found_inside(method):
    alone, eroded = remove(INNER, method)
    local, _ = remove(INNER + OUTER, method)
    assert (local - alone)[eroded].std() < 0.02 * OUTER[eroded].std()


@ALL
def test_result_lies_within_the_mask_and_is_zero_elsewhere(method):
    local, eroded = remove(INNER + OUTER, method)
    assert local.dtype == np.float32
    assert not (eroded & ~BRAIN).any()
    assert eroded.sum() > 0.5 * BRAIN.sum()
    assert not local[~eroded].any()


def test_sharp_loses_the_radius_of_its_sphere():
    _, eroded = remove(INNER, "sharp")
    assert not (eroded & ~ball(36)).any()
    assert eroded[ball(32)].all()


def test_smaller_spheres_keep_more_of_the_rim_and_boundary_values_most():
    kept = [remove(INNER, method)[1] for method in ("sharp", "vsharp", "lbv")]
    for smaller, larger in pairwise(kept):
        assert not (smaller & ~larger).any()
        assert larger.sum() > 1.1 * smaller.sum()


@pytest.mark.parametrize("method", ["lbv_sources", "pdf"])
@pytest.mark.parametrize("edge_mm", [1.0, 2.5])
def test_no_voxel_is_lost_beside_a_smooth_field(method, edge_mm):
    brain = ball(40)[::2, ::2, ::2] if edge_mm > 1 else ball(20)
    field = np.where(brain, 0.3 * np.indices(brain.shape)[0], 0)
    _, eroded = remove(field, method, brain, voxel_size_mm=np.full(3, edge_mm))
    np.testing.assert_array_equal(eroded, brain)


@pytest.mark.parametrize("method", ["resharp", "pdf"])
def test_the_local_field_of_a_sum_is_the_sum_of_local_fields(method):
    together, _ = remove(2 * INNER - 0.5 * OUTER, method)
    apart = 2 * remove(INNER, method)[0] - 0.5 * remove(OUTER, method)[0]
    assert np.abs(together - apart).max() < 1e-3 * np.abs(together).max()


def test_projection_leaves_nothing_that_looks_like_a_source_outside():
    local, _ = remove(INNER, "pdf")
    for centre in [(0, 44, 0), (0, 0, 44), (-44, 0, 0)]:
        field = field_of(ball(3, centre).astype(np.float32))[BRAIN]
        before, after = (np.corrcoef(v[BRAIN], field)[0, 1] for v in (INNER, local))
        assert abs(after) < max(0.2 * abs(before), 0.02)


def test_regularised_spheres_make_the_local_field_smaller_than_the_division():
    divided, eroded = remove(INNER, "sharp")
    regularised, _ = remove(INNER, "resharp")
    assert np.linalg.norm(regularised[eroded]) < np.linalg.norm(divided[eroded])


@ALL
def test_inputs_stay(method):
    arrays = INNER.copy(), BRAIN.copy(), ECHOES.copy()
    for array in arrays:
        array.flags.writeable = False
    local_field(*arrays[:2], GRID, method=method, magnitude=arrays[2])


@ALL
def test_every_echo_is_treated_as_if_alone(method):
    stack = np.stack([INNER, OUTER - 2 * INNER], -1)
    local, eroded = remove(stack, method)
    for i in range(2):
        alone, mask = remove(stack[..., i], method)
        np.testing.assert_allclose(local[..., i], alone, atol=1e-7)
        np.testing.assert_array_equal(eroded, mask)


@ALL
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_what_lies_outside_the_mask_is_not_read(method, value):
    np.testing.assert_array_equal(remove(np.where(BRAIN, INNER, value), method)[0], remove(INNER, method)[0])


MIDDLE, NUCLEUS = (32, 36, 24), (40, 38, 24)


@ALL
@pytest.mark.parametrize(
    ("voxel", "value"),
    [(MIDDLE, 5.0), (MIDDLE, np.nan), (NUCLEUS, np.inf), (NUCLEUS, -5.0)],
)
def test_a_bad_voxel_changes_the_rest_by_less_than_one_percent(method, voxel, value):
    field = INNER + OUTER
    field[voxel] = value
    spoilt, eroded = remove(field, method)
    clean, _ = remove(INNER + OUTER, method)
    rest = eroded.copy()
    rest[voxel] = False
    assert np.isfinite(spoilt).all()
    assert np.abs(spoilt - clean)[rest].max() < 0.01 * np.abs(clean[eroded]).max()


@pytest.mark.parametrize(("method", "radius"), [("sharp", "6.0"), ("vsharp", "2.0"), ("resharp", "6.0")])
def test_a_mask_without_room_for_a_sphere_is_refused_with_its_numbers(method, radius):
    mask = np.zeros(SHAPE, bool)
    mask[30:33, 30:33, 20] = True
    with pytest.raises(ValueError, match=f"a sphere of {radius} mm radius, found 9 voxels"):
        remove(INNER, method, mask)


@pytest.mark.parametrize("method", ["lbv", "lbv_sources", "pdf"])
@pytest.mark.parametrize("thickness", [1, 2])
def test_boundary_values_take_any_mask(method, thickness):
    mask = np.zeros(SHAPE, bool)
    mask[30 : 30 + thickness, 30 : 30 + thickness, 20 : 20 + thickness] = True
    local, eroded = remove(INNER, method, mask)
    assert eroded.any()
    assert np.isfinite(local).all()


@ALL
def test_a_mask_that_fills_the_grid_is_no_torus(method):
    shape = (40, 40, 32)
    field = field_of(9.4 * ball(5, (0, 42, 0), (80, 80, 64)).astype(np.float32))[20:60, 20:60, 16:48]
    local, eroded = remove(field, method, np.ones(shape, bool))
    assert np.abs(local[eroded]).max() < 0.03 * np.ptp(field)


@ALL
def test_turning_object_and_field_turns_the_result(method):
    axes = (2, 0, 1)
    straight, _ = remove(INNER + OUTER, method)
    turned, _ = remove(
        (INNER + OUTER).transpose(axes), method, BRAIN.transpose(axes), UP[list(axes)], VOXEL_SIZE_MM[list(axes)]
    )
    assert np.abs(turned - straight.transpose(axes)).max() < 0.01 * np.ptp(straight)


def test_sources_give_back_what_a_vein_at_the_rim_costs():
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE, np.float32), 2) * BRAIN
    chi = 0.02 * texture / texture.std() + 0.4 * (ball(3, (0, 0, 34)) & BRAIN)
    truth = field_of(chi.astype(np.float32))
    (local, both), (given_back, _) = (remove(truth + OUTER, method) for method in ("lbv", "lbv_sources"))
    errors = [error(result, truth, both) for result in (local, given_back)]
    assert errors[1] < 0.9 * errors[0]


FOLDED = ball(33) & (np.sin(9 * X) + np.sin(8 * Y) + np.sin(9 * Z) > -0.6)  # white matter in a cortex
TISSUE = np.where(FOLDED, -0.03, 0.015).astype(np.float32) * BRAIN + nuclei()
ECHOES = np.where(FOLDED, 1000, 750)[..., None] * np.exp(-20 * np.array([0.005, 0.03])).astype(np.float32)


def beside_a_source(truth, magnitude):
    """Local field of tissue beside a strong source outside, its truth, and where both count."""
    local, eroded = remove(truth + OUTER, "lbv_sources", magnitude=magnitude)
    return local, truth, eroded


def test_tissue_that_magnitude_shows_is_kept_from_the_background():
    truth = field_of(TISSUE)
    blind, seen = (error(*beside_a_source(truth, magnitude)) for magnitude in (None, ECHOES))
    assert seen < 0.8 * blind


def test_magnitude_without_susceptibility_changes_nothing_that_counts():
    plain, eroded = remove(INNER + OUTER, "lbv_sources")
    shown, _ = remove(INNER + OUTER, "lbv_sources", magnitude=ECHOES)
    assert (shown - plain)[eroded].std() < 0.05 * INNER[eroded].std()


def test_a_flat_magnitude_shows_nothing():
    flat, none = (remove(INNER, "lbv_sources", magnitude=m)[0] for m in (np.ones((*SHAPE, 2)), None))
    np.testing.assert_array_equal(flat, none)


def test_magnitude_outside_the_mask_is_not_read():
    spoilt = np.where(BRAIN[..., None], ECHOES, np.nan)
    np.testing.assert_array_equal(
        remove(INNER, "lbv_sources", magnitude=spoilt)[0], remove(INNER, "lbv_sources", magnitude=ECHOES)[0]
    )


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (
            {"method": "sharp", "radius_mm": 1.3},
            "1.4 mm or more, 0.7 of the longest edge, found voxels of 1 x 1 x 2",
        ),
        ({"method": "resharp", "radius_mm": 0.3}, "sphere of 0.3 mm: expected a radius of 1.4 mm or more"),
        (
            {"method": "vsharp", "radius_mm": 3.0, "smallest_radius_mm": 1.0},
            "sphere of 1 mm: expected a radius of 1.4",
        ),
        ({"method": "vsharp", "radius_mm": 1.0, "smallest_radius_mm": 2.0}, "at least smallest_radius_mm, 2, found 1"),
    ],
)
def test_spheres_that_remove_everything_or_are_none_are_refused(settings, found):
    with pytest.raises(ValueError, match=found):
        local_field(np.zeros((8, 8, 8), np.float32), np.ones((8, 8, 8), bool), Grid((1, 1, 2)), **settings)


def test_the_mean_over_the_least_sphere_is_that_of_a_harmonic_field_and_a_smaller_one_is_a_disc():
    """In thick slices a small sphere stays in its slice: its mean misses the curvature across slices."""
    edges_mm, shape = (1.0, 1.0, 4.0), (40, 40, 24)
    x, y, z = np.meshgrid(*((np.arange(n) - n // 2) * v for n, v in zip(shape, edges_mm, strict=True)), indexing="ij")
    harmonic = (z**2 - (x**2 + y**2) / 2).astype(np.float32)
    middle = tuple(slice(n // 2 - 2, n // 2 + 3) for n in shape)

    def rest(radius_mm):
        high_pass = 1 - sphere_kernel(shape, edges_mm, radius_mm)
        return np.abs(convolve(harmonic, high_pass, shape)[middle]).max() / radius_mm**2

    least_mm = least_radius_mm(edges_mm)
    assert max(rest(least_mm * factor) for factor in (1.0, 1.2, 1.5, 2.0)) < 0.5 * rest(0.8 * least_mm)
