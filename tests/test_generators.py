"""The heads of `benchmarks.generators`: physics that must hold, and the same head for the same seed."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.generators import HEADS, forward, scan_of, shapes
from benchmarks.generators.parts import paint_ellipsoid, paint_veins
from benchmarks.generators.physics import DIPOLES, Solver, acquire, voxel_mean
from benchmarks.generators.scene import Scan, Scene, Tissue
from recon.phantom.field import forward_field
from recon.phantom.shapes import ellipsoid

CUBE = (48, 48, 48)
AFFINE = np.diag([1.0, 1, 1, 1])
AFFINE[:3, 3] = -23.5


def scan(**changes) -> Scan:
    usual = {"te_s": (0.01,), "voxel_size_mm": (2.0, 2.0, 2.0), "snr": 1e6, "dipole": "spectral", "receive_rad": 0.0}
    return Scan(**usual | {"shading": 0.0} | changes)


def ball(radius_mm: float) -> np.ndarray:
    points = np.stack(np.meshgrid(*[np.arange(48) - 23.5] * 3, indexing="ij")).reshape(3, -1)
    return ellipsoid(points, (0, 0, 0), (radius_mm,) * 3).reshape(CUBE) <= 0


def scene(chi_ppm: np.ndarray, brain: np.ndarray, **changes) -> Scene:
    usual = {
        "labels": np.where(brain, Tissue.WHITE, Tissue.AIR).astype(np.uint8),
        "r2star_hz": np.zeros(CUBE, np.float32),
    }
    return Scene(chi_ppm=chi_ppm, brain=brain, **usual | {"signal": brain.astype(np.float32)} | changes)


@pytest.mark.parametrize("tilt_deg", [(0.0, 0.0), (22.0, -10.0)])
@pytest.mark.parametrize("dipole", DIPOLES)
def test_a_sphere_has_no_field_inside_and_that_of_a_dipole_outside(dipole, tilt_deg):
    given = scan(dipole=dipole, tilt_deg=tilt_deg)
    inside = ball(10)
    field = Solver(given, CUBE)(inside.astype(np.float32))
    points = np.stack(np.meshgrid(*[np.arange(48) - 23.5] * 3, indexing="ij"))
    r = np.linalg.norm(points, axis=0)
    cosine = np.tensordot(given.b0_dir, points, 1) / r
    volume = inside.sum() * 3 / (4 * np.pi)
    outside = volume / (3 * r**3) * (3 * cosine**2 - 1)
    assert abs(field[ball(8)].mean()) < 0.005
    far = (r > 13) & (r < 20)
    assert np.abs((field - outside)[far]).max() < 0.03


def test_total_field_less_the_local_one_is_harmonic_in_the_brain():
    brain, chi = ball(14), np.zeros(CUBE, np.float32)
    paint_ellipsoid(chi, AFFINE, (0, 0, 19), (3, 3, 3), 9, np.ones(CUBE, bool))
    chi[brain] = np.random.default_rng(0).normal(0, 0.05, brain.sum())
    made = acquire(scene(chi, brain), scan(), np.random.default_rng(0))
    deep = ndimage.binary_erosion(made["brain"], iterations=2)
    whole, background = (
        np.abs(ndimage.laplace(x))[deep].mean() for x in (made["total_ppm"], made["total_ppm"] - made["local_ppm"])
    )
    assert background < 0.1 * whole


@pytest.mark.parametrize("snr", [10, 80])
def test_noise_has_the_level_that_was_asked_for(snr):
    brain = np.ones(CUBE, bool)
    made = acquire(scene(np.zeros(CUBE, np.float32), brain), scan(snr=snr), np.random.default_rng(1))
    imaginary = made["magnitude"] * np.sin(made["phase"])
    assert imaginary.std() == pytest.approx(1 / snr, rel=0.03)
    assert made["magnitude"].mean() == pytest.approx(1, rel=0.02)


def test_a_field_that_varies_across_a_voxel_dephases_it():
    ramp = np.broadcast_to(np.arange(48, dtype=np.float32)[:, None, None], CUBE)
    turn = 0.5  # rad from one sub-voxel to the next
    voxel = voxel_mean(np.exp(1j * turn * ramp), (2, 2, 2))
    assert np.abs(voxel) == pytest.approx(np.cos(turn / 2), rel=1e-5)


def test_the_same_seed_makes_the_same_head_and_another_one_another():
    small = replace(shapes.SCAN, voxel_size_mm=(6.0, 6.0, 6.0), finer=(1, 1, 1), te_s=(0.01, 0.02))

    def head(seed: int) -> dict:
        rng = np.random.default_rng(seed)
        return acquire(shapes.build(small, rng), small, rng)

    first, again, other = head(1), head(1), head(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["chi_ppm"], other["chi_ppm"])
    assert first["magnitude"].shape == (*first["brain"].shape, 2)
    assert first["brain"].any() and first["nuclei"].max() > 3
    assert not first["local_ppm"][~first["brain"]].any()


def test_veins_stay_where_they_may_be():
    labels, where = np.full(CUBE, Tissue.WHITE, np.uint8), ball(15)
    paint_veins(labels, AFFINE, where, np.random.default_rng(0), trees=10, radius_mm=1.0)
    veins = labels == Tissue.VEIN
    assert veins.any() and not veins[~where].any()


@pytest.mark.parametrize("dipole", DIPOLES)
def test_the_local_field_is_that_of_the_discrete_dipole_but_for_sub_voxels(dipole):
    brain = ball(18)
    chi = np.where(brain, ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(CUBE), 2.5), 0)
    made = acquire(scene(chi.astype(np.float32), brain), scan(dipole=dipole), np.random.default_rng(0))
    inside = made["brain"]
    expected = forward_field(np.where(inside, made["chi_ppm"], 0), np.array([2.0, 2, 2]), np.array([0.0, 0, 1]))
    error = (made["local_ppm"] - expected)[inside]
    assert error.std() < 0.1 * made["local_ppm"][inside].std()


@pytest.mark.skipif(not forward.PYTHON.is_file(), reason="`make bench` builds benchmarks/.venv with qsm-forward")
@pytest.mark.parametrize("finer", [(1, 1, 2), (2, 2, 2)])
def test_data_of_the_peer_lie_where_their_truth_lies(tmp_path, finer):
    signal = ndimage.gaussian_filter(ball(12).astype(float), 2)
    given = {
        "chi": np.zeros(CUBE), "M0": signal, "R1": np.ones(CUBE), "R2star": np.full(CUBE, 20.0), "mask": ball(16),
        "te_s": [0.01], "b0_tesla": 3.0, "b0_dir": (0, 0, 1), "spacing_mm": np.ones(3),
        "voxel_size_mm": np.array(finer, float), "peak_snr": 1e6, "seed": 0,
    }  # fmt: skip
    np.savez(tmp_path / "in.npz", **given)
    script = Path(forward.__file__).with_name("forward_peer.py")
    subprocess.run([forward.PYTHON, script, tmp_path / "in.npz", tmp_path / "out.npz"], check=True)
    with np.load(tmp_path / "out.npz") as made:
        found = ndimage.center_of_mass(made["magnitude"][..., 0])
    expected = ndimage.center_of_mass(voxel_mean(signal, finer))
    np.testing.assert_allclose(found, expected, atol=0.02)  # half a sub-voxel is 0.25 of a voxel


def test_point_dipoles_refuse_a_lattice_on_which_they_are_no_voxels():
    with pytest.raises(ValueError, match="cubic"):
        Solver(scan(dipole="green", voxel_size_mm=(1.0, 1.0, 2.0)), CUBE)


@pytest.mark.parametrize("size", ["iso", "paper"])
def test_the_peer_samples_its_dipole_on_cubes(size):
    spacing_mm = scan_of(HEADS["forward"], coarse=False, size=size).spacing_mm
    assert max(spacing_mm) < 1.2 * min(spacing_mm)
