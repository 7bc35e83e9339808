"""Echoes as several vendors store them, against what is published of each."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from recon.files.io import Volume, read_volume, write_stored
from recon.intake.series import series_of
from recon.intake.vendors import VENDORS
from recon.phantom.vendor import VARIANTS, encode, exported, restored
from workflow.lib.setup.paths import Paths
from workflow.lib.study.simulated import planned_images, planned_scans, planned_sidecars
from workflow.scripts.simulate_subject import main as simulate_subject

ALL = VENDORS | VARIANTS
TURN = np.exp(1j * np.linspace(-np.pi, np.pi, 20001)).astype(np.complex64).reshape(1, -1, 1)  # all phases, one slice

TRUTH = ("chi", "r2star", "t1", "total_field", "local_field", "brain_mask", "nuclei")


def seen(signal, vendor, part):
    """What a NIfTI reader gets."""
    stored = vendor.pixels(part)
    return stored.slope * encode(signal, vendor, part).astype(np.float64) + stored.intercept


@pytest.fixture
def signal():
    rng = np.random.default_rng(0)
    return (1000 * rng.standard_normal((4, 5, 6, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("reference", -np.pi, np.pi),
        ("siemens", -4096, 4094),
        ("siemens without rescale", 0, 4095),
        ("philips", -np.pi, np.pi),
        ("philips for display", -3142, 3142),
        ("ge", -3142, 3142),
    ],
)
def test_phase_fills_the_published_range(name, low, high):
    values = seen(TURN, ALL[name], "phase")
    assert (values.min(), values.max()) == pytest.approx((low, high), abs=1e-3 * (high - low) / 6.28)


@pytest.mark.parametrize("name", [name for name in ALL if name != "reference"])
def test_scanners_store_twelve_or_sixteen_bits(name, signal):
    for part in ("mag", "phase", "real", "imag"):
        assert encode(signal, ALL[name], part).dtype == np.int16


def test_the_reference_stores_phase_as_it_is(signal):
    assert np.array_equal(encode(signal, VENDORS["reference"], "phase"), np.angle(signal))


def test_the_reference_stores_whole_magnitudes(signal):
    assert np.array_equal(encode(signal, VENDORS["reference"], "mag"), np.rint(np.abs(signal)))


@pytest.mark.parametrize(("name", "direction"), [("siemens", 1), ("philips", 1), ("ge", -1)])
def test_only_ge_turns_the_sign_of_the_phase(name, direction):
    early, late = (np.full((1, 1, 1), np.exp(1j * rad), np.complex64) for rad in (0.2, 0.4))
    step = seen(late, VENDORS[name], "phase") - seen(early, VENDORS[name], "phase")
    assert np.sign(step).item() == direction


def test_ge_negates_every_second_slice(signal):
    assert np.allclose(exported(signal, VENDORS["ge"])[..., 1::2], -signal[..., 1::2].conj())
    assert np.allclose(exported(signal, VENDORS["ge"])[..., ::2], signal[..., ::2].conj())


def test_philips_display_values_are_a_thousand_times_the_precise_ones(signal):
    precise, display = (seen(signal, ALL[name], "phase") for name in ("philips", "philips for display"))
    assert np.allclose(display, 1000 * precise, atol=0.5)


def test_another_order_of_storage_moves_nothing_in_the_scanner():
    affine = np.array([[1.8, 0.3, 0, -20], [-0.3, 2.7, 0.9, 5], [0, -0.6, 3.2, 40], [0, 0, 0, 1.0]])
    places = np.moveaxis(np.indices((3, 4, 5)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]  # each voxel holds its own
    stored = restored(Volume(data=places, affine=affine), (2, 0, 1), (0, 2))
    assert stored.data.shape == (5, 3, 4, 3)
    i = np.moveaxis(np.indices((5, 3, 4)), 0, -1)
    assert np.allclose(i @ stored.affine[:3, :3].T + stored.affine[:3, 3], stored.data)


def test_a_reader_sees_slope_times_pixel_plus_intercept(tmp_path):
    pixels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_stored(tmp_path / "x.nii.gz", pixels, np.eye(4), 2, -4096, {"Units": "arbitrary"})
    assert np.array_equal(read_volume(tmp_path / "x.nii.gz").data, 2.0 * pixels - 4096)


@pytest.mark.parametrize("name", VENDORS)
def test_a_simulated_subject_is_what_was_planned(name, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coarse = {"subjects": 2, "voxel_size_mm": [6, 6, 6], "te_s": [0.005, 0.01], "flip_angles_deg": [6, 24]}
    settings = yaml.safe_load((repository / "config/config.yaml").read_text())["simulate"] | coarse | {"vendor": name}
    paths = Paths("x")
    planned = (settings, VENDORS[name].parts, paths)
    images = [p.format(folder="sub-01", scan="sub-01") for p in planned_images(*planned)]
    sidecars = [p.format(folder="sub-01", scan="sub-01") for p in planned_sidecars(*planned)]
    truth = {name: f"{name}.nii.gz" for name in TRUTH}
    simulate_subject(images, "01", settings, **truth)
    assert sorted(map(str, Path("results").rglob("*.nii.gz"))) == sorted(images)
    scan = planned_scans(settings, paths)["sub-01"]
    for planned in (scan.low_flip, scan.series):
        found = series_of(planned.files, sidecars)
        assert (found.parts, found.images, found.te_s) == (planned.parts, planned.images, planned.te_s)
        assert found.facts == planned.facts
        assert set(found.sidecars) == set(planned.sidecars)
