"""The simulated cohort: physics of the forward model, and statistics that are known by construction."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from recon.acquisition import GAMMA_HZ_PER_T
from recon.intake.vendors import VENDORS
from recon.phantom import bids, tissue
from recon.phantom.anatomy import anatomy, slab
from recon.phantom.cohort import (
    PRESETS,
    Simulate,
    age_mean,
    age_spread,
    bayes_limit,
    cohort,
    group_shift,
    mixing,
    oracle_auc,
    subject,
    subject_by_label,
)
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import WHITE_MATTER_SIGNAL, acquire, echo, steady_state
from recon.regions.nuclei import nucleus_labels, nucleus_names, template_labels

CFG = Simulate(
    preset="paper",
    subjects=8,
    seed=3,
    voxel_size_mm=(4.0, 4.0, 4.0),
    te_s=(0.005, 0.010),
    tr_s=0.036,
    flip_angles_deg=(24.0,),
    b0_tesla=3.0,
    b0_tilt_deg=0.0,
    snr=40.0,
    vendor="reference",
    sites={},
)


@pytest.fixture(scope="module")
def person():
    return subject(CFG, 0)


@pytest.fixture(scope="module")
def head(person):
    return anatomy(person, CFG.voxel_size_mm, CFG.b0_tilt_deg)


@pytest.fixture(scope="module")
def total_ppm(head):
    return head_field(head.chi_ppm, head.brain, head.grid.voxel_size_mm, head.grid.b0_dir)


# nuclei


def test_template_nuclei_are_mirror_images():
    affine = np.array([[2, 0, 0, -60], [0, 2, 0, -90], [0, 0, 2, -60], [0, 0, 0, 1.0]])
    labels = template_labels((61, 70, 60), affine)
    left = np.array([0, *(n if n % 2 == 0 else n + 1 for n in range(1, 15))], np.uint8)
    left[2::2] -= 1  # L and R labels exchanged
    assert np.array_equal(labels[::-1], left[labels])


def test_every_nucleus_has_a_left_and_a_right_label():
    sides = {name: {s for n, s in nucleus_labels().values() if n == name} for name in nucleus_names()}
    assert sides == {name: {"L", "R"} for name in nucleus_names()}


# field


@pytest.mark.parametrize("b0_dir", [(0, 0, 1), (0, 0.6, 0.8)])
def test_field_of_a_sphere_is_analytic(b0_dir):
    n, radius_mm = 64, 14.0
    x = np.stack(np.indices((n,) * 3), -1) - (n - 1) / 2  # 1 mm voxels
    r = np.linalg.norm(x, axis=-1)
    chi = np.clip(0.5 + radius_mm - r, 0, 1).astype(np.float32)
    field = forward_field(chi, (1.0,) * 3, np.array(b0_dir))
    cosine = x @ np.array(b0_dir) / r
    dipole = (radius_mm / r) ** 3 * (3 * cosine**2 - 1) / 3  # up to 2/3 ppm
    assert np.abs(field[r < radius_mm - 4]).max() < 0.03
    assert np.abs(field - dipole)[(r > radius_mm + 4) & (r < 2 * radius_mm)].max() < 0.02


def test_tilting_the_slab_turns_the_main_field_in_its_axes(person):
    b0_dir = anatomy(person, CFG.voxel_size_mm, 25.0).grid.b0_dir
    assert np.allclose(b0_dir, [0, np.sin(np.deg2rad(25)), np.cos(np.deg2rad(25))])


def test_shim_removes_its_own_harmonics_alone(head):
    _, affine = slab(CFG.voxel_size_mm, 0)
    i, j, k = np.indices(head.brain.shape, dtype=np.float32)
    linear = (0.01 * i - 0.02 * j + 0.5).astype(np.float32)
    cubic = ((k - 20) / 10) ** 3 * (j - 28) / 30
    assert np.abs(shim(linear, head.brain, affine)[head.brain]).max() < 1e-3
    assert shim(cubic, head.brain, affine)[head.brain].std() > 0.1 * cubic[head.brain].std()


def test_shimmed_field_of_the_brain_is_that_of_a_real_head(head, total_ppm):
    hz = shim(total_ppm, head.brain, head.affine)[head.brain] * GAMMA_HZ_PER_T * 3e-6
    assert 10 < hz.std() < 60


def test_field_is_strongest_over_the_sinuses(head, total_ppm):
    field = shim(total_ppm, head.brain, head.affine)
    world = np.argwhere(head.brain) @ head.affine[:3, :3].T + head.affine[:3, 3]
    over_sinus = (np.abs(world[:, 0]) < 15) & (world[:, 1] > 5) & (world[:, 1] < 60) & (world[:, 2] < -10)
    assert field[head.brain][over_sinus].mean() > field[head.brain].mean() + field[head.brain].std()


# signal


def test_paramagnetic_source_advances_the_phase():
    one = np.ones((2, 2, 2), np.float32)
    signal = echo(one, 0 * one, 0.1 * one, 0 * one, 0 * one, te_s=0.005, b0_tesla=3.0)
    assert np.allclose(np.angle(signal), 2 * np.pi * GAMMA_HZ_PER_T * 3 * 0.1e-6 * 0.005, rtol=1e-4)


def test_voxel_dephases_fully_over_one_cycle():
    one = np.ones((2, 2, 2), np.float32)
    cycle_ppm = 1 / (GAMMA_HZ_PER_T * 3 * 1e-6 * 0.01)
    assert np.abs(echo(one, 0 * one, 0 * one, cycle_ppm * one, 0 * one, te_s=0.01, b0_tesla=3.0)).max() < 1e-5


def test_long_repetition_time_leaves_the_sine():
    assert steady_state(np.float32(1), np.float32(1), 30.0, 100.0) == pytest.approx(0.5)


def test_noise_has_the_stated_standard_deviation(head, total_ppm):
    signal = next(acquire(head, total_ppm, CFG, np.random.default_rng(0)))
    air = head.pd == 0
    assert signal[air].real.std() == pytest.approx(WHITE_MATTER_SIGNAL / CFG.snr, rel=0.03)
    assert signal[air].imag.std() == pytest.approx(WHITE_MATTER_SIGNAL / CFG.snr, rel=0.03)


def test_signal_decays_with_r2star(head, total_ppm):
    first, second = acquire(head, 0 * total_ppm, replace(CFG, snr=1e6), np.random.default_rng(0))
    r2star_hz = np.log(np.abs(first) / np.abs(second)) / (CFG.te_s[1] - CFG.te_s[0])
    assert np.allclose(r2star_hz[head.brain], head.r2star_hz[head.brain], atol=0.2)


def test_every_echo_of_every_flip_angle_has_a_sidecar(head, total_ppm):
    cfg = replace(CFG, flip_angles_deg=(6.0, 24.0))
    sidecars = bids.sidecars(cfg, VENDORS[cfg.vendor], "mag")
    assert len(list(acquire(head, total_ppm, cfg, np.random.default_rng(0)))) == len(sidecars)


def test_larger_flip_angle_comes_last_and_darkens_csf(head, total_ppm):
    cfg = replace(CFG, flip_angles_deg=(24.0, 6.0), te_s=(0.005,), snr=1e6)
    small, large = acquire(head, total_ppm, cfg, np.random.default_rng(0))
    csf = head.brain & (head.t1_s > 4)
    assert np.abs(large[csf]).mean() < np.abs(small[csf]).mean()
    assert [sidecar["FlipAngle"] for sidecar in bids.sidecars(cfg, VENDORS[cfg.vendor], "mag")] == [6.0, 24.0]


# anatomy


def test_brain_volume(head):
    assert 1.0 < head.brain.sum() * np.prod(CFG.voxel_size_mm) / 1e6 < 1.9


def test_nuclei_hold_the_iron_of_the_subject(head, person):
    for label, (name, _) in nucleus_labels().items():
        where, i = head.nuclei == label, nucleus_names().index(name)
        assert head.chi_ppm[where].mean() == pytest.approx(person.chi_ppb[i] / 1000, abs=1e-5)
        assert head.r2star_hz[where].mean() == pytest.approx(person.r2star_hz[i], rel=1e-4)


def test_nuclei_lie_in_the_brain(head):
    assert head.brain[head.nuclei > 0].all()


def test_head_is_held_by_air(head):
    assert np.allclose(head.chi_ppm[:, :, -1], tissue.AIR.chi_ppm)
    assert np.allclose(head.pd[[0, -1]], 0)


def test_anatomy_is_reproducible(head, person):
    again = anatomy(person, CFG.voxel_size_mm, CFG.b0_tilt_deg)
    assert np.array_equal(head.chi_ppm, again.chi_ppm)


def test_heads_differ(head):
    other = anatomy(subject(CFG, 1), CFG.voxel_size_mm, CFG.b0_tilt_deg)
    assert np.mean(head.brain != other.brain) > 0.002


def test_widening_widens_the_ventricles(head, person):
    world = np.moveaxis(np.indices(head.brain.shape), 0, -1) @ head.affine[:3, :3].T + head.affine[:3, 3]
    centre = (np.abs(world - (0, -8, 12)) < (22, 30, 14)).all(-1)
    narrow, wide = (
        (anatomy(replace(person, ventricle_widening=w), CFG.voxel_size_mm, 0).t1_s[centre] > 2).sum() for w in (0, 0.4)
    )
    assert wide > 1.15 * narrow


# cohort


def test_adding_subjects_leaves_the_others_unchanged():
    assert cohort(replace(CFG, subjects=40))[:8] == cohort(CFG)


def test_pairs_are_matched():
    people = cohort(replace(CFG, subjects=40))
    for a, b in zip(people[::2], people[1::2], strict=True):
        assert (a.age, a.sex, {a.group, b.group}) == (b.age, b.sex, {"HH", "HC"})


def test_labels_do_not_tell_the_group():
    first = [p.group for p in cohort(replace(CFG, subjects=400))[::2]]
    assert 0.4 < np.mean(np.array(first) == "HH") < 0.6


def test_confounded_patients_are_older():
    people = cohort(replace(CFG, preset="confounded", subjects=40))
    ages = {g: np.mean([p.age for p in people if p.group == g]) for g in ("HH", "HC")}
    assert ages["HH"] - ages["HC"] == pytest.approx(PRESETS["confounded"].age_shift, abs=1)


def _deviations(preset, subjects=1200):
    people = cohort(replace(CFG, preset=preset, subjects=subjects))
    x = np.array([[*p.chi_ppb, *p.r2star_hz] for p in people])
    r = (x - [age_mean(p.age) for p in people]) / np.array([[age_spread(p.age)] for p in people])
    return r, np.array([p.group == "HH" for p in people])


def test_null_groups_do_not_differ():
    r, ill = _deviations("null")
    z = (r[ill].mean(0) - r[~ill].mean(0)) / (r.std(0) * np.sqrt(4 / len(r)))
    assert np.abs(z).max() < 4


def test_latents_have_the_stated_covariance_and_shift():
    r, ill = _deviations("paper")
    sd = np.sqrt(np.diag(mixing() @ mixing().T))
    assert np.allclose(r[~ill].std(0) / sd, 1, atol=0.12)
    assert np.allclose((r[ill].mean(0) - r[~ill].mean(0)) / sd, group_shift("paper") / sd, atol=0.25)


def test_most_affected_nuclei_are_d_apart():
    sd = np.sqrt(np.diag(mixing() @ mixing().T))
    assert (group_shift("paper") / sd).max() == pytest.approx(PRESETS["paper"].d)


@pytest.mark.parametrize("preset", ["null", "confounded"])
def test_bayes_limit_without_effect_is_chance(preset):
    assert bayes_limit(preset)["auc"] == bayes_limit(preset)["accuracy"] == 0.5


@pytest.mark.parametrize("preset", ["paper", "easy"])
def test_bayes_limit_is_that_of_two_gaussians(preset):
    limit = bayes_limit(preset)
    D = np.linalg.norm(np.linalg.solve(np.linalg.cholesky(mixing() @ mixing().T), group_shift(preset)))
    assert (limit["accuracy"], limit["auc"]) == pytest.approx((ndtr(D / 2), ndtr(D / np.sqrt(2))))


@pytest.mark.parametrize("preset", ["paper", "easy"])
def test_oracle_reaches_the_limit_in_a_large_sample(preset):
    people = cohort(replace(CFG, preset=preset, subjects=2000))
    assert oracle_auc(people) == pytest.approx(bayes_limit(preset)["auc"], abs=0.02)


@pytest.mark.parametrize(("key", "value"), [("preset", "huge"), ("subjects", 7)])
def test_bad_settings_are_named(key, value):
    with pytest.raises(ValueError, match=f"simulate.{key}.*{value}"):
        replace(CFG, **{key: value})


def test_unknown_subject_is_named():
    with pytest.raises(ValueError, match="found 99"):
        subject_by_label(CFG, "99")
