"""Real scans through the target `maps`, arranged as BIDS by the test."""

import json

import nibabel as nib
import numpy as np
import pytest

from recon.files.io import Volume, read_json, read_mask, read_volume, write_volume
from tests.workflow.conftest import snakemake


def arrange(bids, echo, part, data, affine, sidecar):
    """Write one echo image of sub-01 with its sidecar."""
    path = bids / f"sub-01/anat/sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz"
    write_volume(path, np.asarray(data, np.float32), Volume(data=None, affine=affine), sidecar)


def reconstruct(project, name, bids, *settings):
    """Run `maps` and return a reader of the derivatives and of the work folder."""
    snakemake(project, "maps", "--config", f"dataset={name}", f"bids_dir={bids}", *settings, forked=True)
    root = project / "results" / name
    return (
        lambda suffix: root / f"derivatives/qnet/sub-01/anat/sub-01_{suffix}",
        lambda suffix: root / f"work/sub-01/sub-01_{suffix}",
    )


@pytest.fixture(scope="module")
def whole_head(project, shared_data, tmp_path_factory):
    """Two echoes of a whole head, 3 mm, phase in rad."""
    bids, source = tmp_path_factory.mktemp("head"), shared_data / "philips_2echo"
    for echo in (1, 2):
        for part, suffix in (("mag", ""), ("phase", "_ph")):
            stem = source / f"2001_WIP_fcMRI_Field_Mapping_cl_e{echo}{suffix}"
            facts = json.loads(stem.with_suffix(".json").read_text())
            image = nib.load(f"{stem}.nii.gz")
            data, units = image.get_fdata(), {"Units": "arbitrary"}
            if part == "phase":
                units = {"Units": "rad"}  # the converter has scaled the scanner's values to +-pi
            known = ("EchoTime", "MagneticFieldStrength", "FlipAngle", "RepetitionTime", "Manufacturer")
            keep = {key: facts[key] for key in known}
            arrange(bids, echo, part, data, image.affine, keep | units)
    return reconstruct(project, "head", bids)


def test_whole_head_has_a_brain_of_plausible_size(whole_head):
    maps, _ = whole_head
    mask = read_mask(maps("desc-brain_mask.nii.gz"))
    volume = read_volume(maps("Chimap.nii.gz"))
    litres = mask.sum() * volume.voxel_size_mm.prod() / 1e6
    assert 1.1 < litres < 1.9


def test_whole_head_has_the_field_that_is_known_of_it(whole_head):
    _, work = whole_head
    phase, facts = read_volume(work("part-phase_desc-unwrapped_MEGRE.nii")), read_json(work("acquisition.json"))
    mask = read_mask(work("desc-reliable_mask.nii"))
    te1, te2 = facts["te_s"]
    field_hz = (phase.data[..., 1] - phase.data[..., 0])[mask] / (2 * np.pi * (te2 - te1))
    assert np.median(field_hz) == pytest.approx(3, abs=2)
    assert np.percentile(field_hz, 1) == pytest.approx(-40, abs=15)
    assert np.percentile(field_hz, 99) == pytest.approx(85, abs=20)


def test_whole_head_maps_are_finite_and_in_range(whole_head):
    maps, work = whole_head
    chi, r2star = read_volume(maps("Chimap.nii.gz")).data, read_volume(maps("R2starmap.nii.gz")).data
    inside = read_mask(work("desc-eroded_mask.nii"))
    assert np.isfinite(chi).all()
    assert 0.02 < chi[inside].std() < 0.15
    assert 10 < np.median(r2star[inside]) < 60


@pytest.fixture(scope="module")
def crop(project, shared_data, tmp_path_factory):
    """Three echoes of a piece of brain, phase in units of the file, the acquisition in shared sidecars."""
    bids, source = tmp_path_factory.mktemp("crop"), shared_data / "romeo_crop_3echo"
    names = sorted(p.name for p in source.iterdir())
    magnitude = nib.load(source / next(n for n in names if "mag" in n.lower()))
    phase = nib.load(source / next(n for n in names if "phase" in n.lower() and "nan" not in n.lower()))
    for echo in (1, 2, 3):
        facts = {"EchoTime": 0.004 * echo, "MagneticFieldStrength": 7.0, "FlipAngle": 15}
        arrange(bids, echo, "mag", magnitude.dataobj[..., echo - 1], magnitude.affine, facts)
        arrange(bids, echo, "phase", phase.dataobj[..., echo - 1], magnitude.affine, facts | {"Units": "arbitrary"})
    overlay = project / "crop.yaml"
    overlay.write_text("prepare_echoes:\n  phase_range: [-0.0036743776, 0.0036743776]\n")
    return reconstruct(project, "crop", bids, "--configfile", str(overlay))


def test_crop_without_skull_is_all_brain(crop):
    maps, _ = crop
    assert read_mask(maps("desc-brain_mask.nii.gz")).mean() > 0.8


def test_crop_phase_is_unwrapped_by_whole_turns_and_runs_straight_over_te(crop):
    _, work = crop
    wrapped, unwrapped = (read_volume(work(n)).data for n in
                          ("part-phase_MEGRE.nii", "part-phase_desc-unwrapped_MEGRE.nii"))  # fmt: skip
    mask = read_mask(work("desc-reliable_mask.nii"))
    turns = (unwrapped - wrapped)[mask] / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-3)
    bend = unwrapped[mask] @ [1, -2, 1]  # zero for a straight line through equally spaced echoes
    assert np.mean(np.abs(bend) < np.pi) > 0.95


def test_crop_map_is_finite_and_not_empty(crop):
    maps, _ = crop
    chi = read_volume(maps("Chimap.nii.gz")).data
    assert np.isfinite(chi).all()
    assert 0.005 < chi[chi != 0].std() < 0.2
