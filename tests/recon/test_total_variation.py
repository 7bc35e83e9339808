import numpy as np
import pytest
from scipy import fft, ndimage

from recon.inversion import dipole_inversion
from recon.inversion.dipole_model import Model, field_error
from recon.inversion.noise import field_noise, independent_steps
from recon.inversion.total_variation import admm, believed, unexplained
from recon.maths.differences import differences, differences_adjoint, inner_differences, laplacian_kernel
from recon.maths.spectrum import BoxTransform
from tests.recon.physics import GRID, SHAPE, ball, field_of, nuclei, slope
from tests.recon.test_inversion import TKD, TV

SPACING = np.array([0.7, 1.1, 1.3])
BRAIN = ball(40)
FIELD = field_of(nuclei())


def noise(sd, seed=0):
    return sd * np.random.default_rng(seed).standard_normal(SHAPE, np.float32)


def error(estimate, truth, mask=BRAIN):
    """Relative error, both with zero mean [%]."""
    e, t = (x[mask] - x[mask].mean() for x in (estimate, truth))
    return 100 * np.linalg.norm(e - t) / np.linalg.norm(t)


def test_divergence_is_the_adjoint_of_the_gradient():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 9, 6)), rng.normal(size=(3, 7, 9, 6))
    assert (differences(x, SPACING) * y).sum() == pytest.approx((x * differences_adjoint(y, SPACING)).sum(), rel=1e-4)


def test_laplacian_kernel_is_the_symbol_of_gradient_and_adjoint():
    x = np.zeros((8, 10, 6), np.float32)
    x[2:5, 3:6, 2:4] = np.random.default_rng(0).normal(size=(3, 3, 2))
    expected = differences_adjoint(differences(x, SPACING), SPACING)
    actual = fft.irfftn(fft.rfftn(x) * laplacian_kernel(x.shape, SPACING), s=x.shape)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_gradient_of_a_ramp_is_its_slope_whatever_the_voxel():
    ramp = np.add.outer(np.arange(5) * SPACING[0] * 2, np.zeros((4, 3))).astype(np.float32)
    np.testing.assert_allclose(differences(ramp, SPACING)[0, :-1], 2, rtol=1e-6)


def test_only_differences_within_the_mask_count():
    inside = np.zeros((4, 3, 3), bool)
    inside[1:3, 1, 1] = True
    assert np.argwhere(inner_differences(inside)).tolist() == [[0, 1, 1, 1]]


def test_box_transform_is_the_padded_real_transform():
    x = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    transform = BoxTransform(box=x.shape, grid=(8, 9, 10))
    X = transform.forward(x)
    np.testing.assert_allclose(X, fft.rfftn(x, s=(8, 9, 10)), atol=1e-5)
    np.testing.assert_allclose(transform.inverse(X), x, atol=1e-6)


@pytest.mark.parametrize("sd", [0.001, 0.004])
def test_noise_is_measured_in_the_field(sd):
    assert field_noise(FIELD + noise(sd), BRAIN) == pytest.approx(sd, rel=0.15)


def test_a_linear_field_and_a_tiny_mask_hold_no_noise():
    ramp = np.broadcast_to(np.arange(SHAPE[0], dtype=np.float32)[:, None, None], SHAPE)
    assert field_noise(ramp, BRAIN) == 0
    assert field_noise(ramp[:3, :3, :3], np.ones((3, 3, 3), bool)) == 0


def test_regularisation_follows_the_noise():
    weight = BRAIN.astype(np.float32)
    errors = [field_error((FIELD + noise(sd)) * BRAIN, weight, BRAIN, (1, 1, 1)) for sd in (0, 0.002, 0.008)]
    assert errors == sorted(errors)
    assert errors[2] > 2 * errors[1]


def zero_filled(values, keep):
    """The values with the outer part of their spectrum along the first axis emptied: what interpolation leaves."""
    spectrum = fft.fft(values, axis=0)
    spectrum[np.abs(fft.fftfreq(len(values))) > keep / 2] = 0
    return fft.ifft(spectrum, axis=0).real.astype(np.float32)


def textured():
    """Field of nuclei in tissue whose susceptibility varies over two voxels."""
    grain = ndimage.gaussian_filter(noise(1, seed=1), 1)
    return field_of(np.where(BRAIN, nuclei() + np.float32(0.02) * grain / grain.std(), 0))


def test_neighbours_share_noise_only_along_an_axis_that_was_interpolated():
    assert independent_steps(FIELD + noise(0.001), BRAIN) == (1, 1, 1)
    assert independent_steps(textured() + noise(0.001), BRAIN) == (1, 1, 1)
    assert independent_steps(FIELD + zero_filled(noise(0.001), 0.5), BRAIN) == (2, 1, 1)


def test_a_mask_too_thin_to_tell_counts_as_not_interpolated():
    assert independent_steps(FIELD[:, :, :5], BRAIN[:, :, :5])[2] == 1


def test_texture_is_hardly_taken_for_noise_between_neighbours():
    near, apart = (field_noise(textured() + noise(0.001), BRAIN, steps=steps) for steps in ((1, 1, 1), (2, 2, 2)))
    assert near - 0.001 < 0.5 * (apart - 0.001)


def test_tall_edges_keep_their_height():
    model = Model.of(BRAIN, GRID)
    weight, known = BRAIN.astype(np.float32), nuclei()
    settings = {"regularisation": 0.002, "tolerance": 0.0, "outside": 0.0004}
    plain, priced = (
        model.transform.inverse(admm(FIELD * BRAIN, weight, model, passes=passes, **settings))
        for passes in ([18], [6, 6, 6])
    )
    assert error(priced, known) < 0.8 * error(plain, known)
    assert abs(slope(priced, known, BRAIN) - 1) < abs(slope(plain, known, BRAIN) - 1)


def test_what_stays_unexplained_is_believed_less():
    weight, residual = BRAIN.astype(np.float32), noise(0.001)
    residual[24, 24, 24] = 0.1
    after = believed(weight, residual)
    assert after[24, 24, 24] < 0.1
    assert np.median(after[BRAIN]) > 0.95
    assert not after[~BRAIN].any()


def test_no_data_are_believed_as_before():
    assert not believed(np.zeros(SHAPE, np.float32), noise(0.001)).any()


def test_single_voxels_that_no_dipole_explains_make_few_streaks():
    wrong = np.random.default_rng(2).random(SHAPE) < 0.002
    sound = FIELD + noise(0.001)
    broken = sound + np.where(wrong, np.float32(0.02), 0)
    clean, repaired = (error(dipole_inversion(f, BRAIN, GRID, **TV), nuclei(), BRAIN & ~wrong) for f in (sound, broken))
    assert repaired < 2 * clean


@pytest.mark.parametrize("sd", [0, 0.002, 0.01])
def test_tv_beats_division_on_sharp_objects(sd):
    field = FIELD + noise(sd)
    tv, division = (error(dipole_inversion(field, BRAIN, GRID, **params), nuclei()) for params in (TV, TKD))
    assert tv < 0.7 * division


def test_tv_measures_iron_to_scale():
    estimate = dipole_inversion(FIELD, BRAIN, GRID, **TV)
    assert slope(estimate, nuclei(), BRAIN) == pytest.approx(1, abs=0.03)


def test_texture_above_the_noise_is_returned():
    model = Model.of(BRAIN, GRID)
    texture = np.where(BRAIN, noise(0.02, seed=1), 0)
    residual = (field_of(texture) + noise(0.001)) * BRAIN
    added = model.transform.inverse(unexplained(residual, 0.001, model))
    inner = ball(30)
    assert np.corrcoef(added[inner], texture[inner])[0, 1] > 0.8


def test_untrustworthy_data_weigh_less():
    bad = ball(8, (0, 4, 10))
    field = FIELD + np.where(bad, noise(0.1), 0)
    precision = np.where(bad, 0.01, 1).astype(np.float32)
    blind, weighted = (
        error(dipole_inversion(field, BRAIN, GRID, **TV, precision=m), nuclei()) for m in (None, precision)
    )
    assert weighted < 0.7 * blind


def test_pure_noise_holds_nothing_unexplained():
    model = Model.of(BRAIN, GRID)
    residual = noise(0.002) * BRAIN
    added = model.transform.inverse(unexplained(residual, 0.0022, model))  # its noise taken for a little more
    assert added[BRAIN].std() < 0.2 * residual[BRAIN].std()


@pytest.mark.parametrize("precision", [np.nan, 0.0])
def test_unusable_magnitude_gives_a_finite_map(precision):
    weights = np.full(SHAPE, precision, np.float32)
    weights[:32] = 1
    assert np.isfinite(dipole_inversion(FIELD, BRAIN, GRID, **TV, precision=weights)).all()
