"""`python -m recon` on folders: the files and numbers that other programs rely on."""

import shutil

import numpy as np
import pytest

from recon.__main__ import main
from recon.files.io import Volume, read_json, read_mask, read_volume, write_json, write_volume
from tests.recon.physics import VOXEL_SIZE_MM, acquisition, ball, field_of, nuclei, signal, slope

GRID = Volume(data=None, affine=np.diag([*VOXEL_SIZE_MM, 1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noisy echoes of four nuclei in a ball, and the true fields."""
    path = tmp_path_factory.mktemp("in")
    chi, mask, facts = nuclei(), ball(40), acquisition()
    local = field_of(chi)
    total = local + field_of(4.0 * ball(5, (0, 50, -20)).astype(np.float32))
    magnitude, phase = signal(chi, total, facts)
    for name, data in {
        "magnitude": magnitude * mask[..., None],
        "phase": phase,
        "mask": mask,
        "totalfield": total,
        "localfield": local,
        "truth": chi,
    }.items():
        write_volume(path / f"{name}.nii.gz", data, GRID)
    write_json(
        path / "params.json",
        {"TE": list(facts.te_s), "B0": 3.0, "B0_dir": [0, 0, 1], "voxel_size": VOXEL_SIZE_MM.tolist()},
    )
    return path


def run(stage, folder, out, *settings):
    assert main([stage, str(folder), str(out), *(["--set", *settings] if settings else [])]) == 0
    return out


def only(folder, source, *names):
    """A folder with some of the files of another, and its params.json."""
    source.mkdir()
    shutil.copy(folder / "params.json", source)
    for name in names:
        (source / f"{name}.nii.gz").symlink_to(folder / f"{name}.nii.gz")
    return source


def test_field_mapping_gives_the_total_field_in_ppm(folder, tmp_path):
    out = run("field-mapping", folder, tmp_path)
    estimate, truth = read_volume(out / "totalfield.nii.gz").data, read_volume(folder / "totalfield.nii.gz").data
    core = ball(36)
    difference = (estimate - truth)[core]
    assert np.std(difference) < 0.01
    assert slope(estimate, truth, core) == pytest.approx(1, abs=0.01)


def test_unwrap_adds_whole_turns(folder, tmp_path):
    out = run("unwrap", folder, tmp_path)
    turns = (read_volume(out / "unwrapped.nii.gz").data - read_volume(folder / "phase.nii.gz").data) / (2 * np.pi)
    inside = turns[read_mask(folder / "mask.nii.gz")]
    np.testing.assert_allclose(inside, np.round(inside), atol=1e-4)


def test_a_ramp_in_one_echo_is_taken_off_and_told(folder, tmp_path, capsys):
    bent = tmp_path / "in"
    shutil.copytree(folder, bent)
    phase = read_volume(folder / "phase.nii.gz").data
    phase[..., -1] += np.linspace(-4, 4, phase.shape[0], dtype=np.float32)[:, None, None]
    write_volume(bent / "phase.nii.gz", np.angle(np.exp(1j * phase)).astype(np.float32), GRID)
    clean, straight = (run("unwrap", source, tmp_path / source.name) for source in (folder, bent))
    error = np.subtract(*(read_volume(out / "unwrapped.nii.gz").data[ball(38)] for out in (straight, clean)))
    assert (error - np.median(error, axis=0)).std() < 0.1
    assert capsys.readouterr().err.count("taken off before unwrapping") == 1


def test_bfr_gives_the_local_field_and_its_mask(folder, tmp_path):
    out = run("bfr", folder, tmp_path)
    eroded = read_mask(out / "eroded_mask.nii.gz")
    local, truth = read_volume(out / "localfield.nii.gz").data, read_volume(folder / "localfield.nii.gz").data
    assert slope(local, truth, eroded) == pytest.approx(1, abs=0.05)


def test_dipole_gives_susceptibility_in_ppm(folder, tmp_path):
    out = run("dipole", folder, tmp_path)
    chi, truth = read_volume(out / "chimap.nii.gz").data, read_volume(folder / "truth.nii.gz").data
    assert slope(chi, truth, ball(40)) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("pipeline", ["paper", "consensus"])
def test_end_to_end_recovers_susceptibility_from_wrapped_phase(folder, tmp_path, pipeline):
    out = run("end-to-end", folder, tmp_path, f"pipeline={pipeline}")
    chi, truth = read_volume(out / "chimap.nii.gz").data, read_volume(folder / "truth.nii.gz").data
    kept, r2star = read_mask(out / "eroded_mask.nii.gz"), read_volume(out / "r2star.nii.gz").data
    assert slope(chi, truth, kept) == pytest.approx(0.95, abs=0.12)
    assert not chi[~kept].any()
    assert np.median(r2star[truth > 0.1]) == pytest.approx(20 + 120 * 0.14, rel=0.02)


def test_end_to_end_without_a_mask_finds_the_brain_itself(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "in", ignore=shutil.ignore_patterns("mask.nii.gz"))
    settings = ["pipeline=consensus", "brain_mask.tool=builtin"]
    out = run("end-to-end", tmp_path / "in", tmp_path / "out", *settings)
    chi, truth = read_volume(out / "chimap.nii.gz").data, read_volume(folder / "truth.nii.gz").data
    kept = read_mask(out / "eroded_mask.nii.gz")
    assert kept[ball(34)].mean() > 0.95
    assert (kept & ~ball(42)).sum() < 0.01 * kept.sum()
    assert slope(chi, truth, kept) == pytest.approx(0.95, abs=0.15)


def test_end_to_end_of_one_echo_has_no_r2star(folder, tmp_path):
    source = tmp_path / "in"
    shutil.copytree(folder, source)
    for name in ("phase", "magnitude"):
        write_volume(source / f"{name}.nii.gz", read_volume(folder / f"{name}.nii.gz").data[..., 3], GRID)
    write_json(source / "params.json", read_json(folder / "params.json") | {"TE": 0.02})
    out = run("end-to-end", source, tmp_path / "out", "pipeline=consensus")
    assert (out / "chimap.nii.gz").exists()
    assert not (out / "r2star.nii.gz").exists()


def test_the_arm_sets_the_method_and_a_setting_overrides_it(folder, tmp_path):
    settings = {"paper": [], "consensus": ["pipeline=consensus"], "changed": ["method=sharp", "pipeline=consensus"]}
    masks = {
        name: read_mask(run("bfr", folder, tmp_path / name, *chosen) / "eroded_mask.nii.gz")
        for name, chosen in settings.items()
    }
    assert masks["consensus"].sum() > 1.3 * masks["paper"].sum()
    np.testing.assert_array_equal(masks["changed"], masks["paper"])


def test_r2star_is_in_per_second(folder, tmp_path):
    out = run("r2star", folder, tmp_path)
    r2star, truth = read_volume(out / "r2star.nii.gz").data, read_volume(folder / "truth.nii.gz").data
    assert np.median(r2star[truth > 0.1]) == pytest.approx(20 + 120 * 0.14, rel=0.02)


def test_brain_mask_finds_the_ball(folder, tmp_path):
    out = run("brain-mask", folder, tmp_path, "erode_mm=0", "tool=builtin")
    mask, truth = read_mask(out / "mask.nii.gz"), read_mask(folder / "mask.nii.gz")
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.95


def test_settings_change_the_result(folder, tmp_path):
    plain = run("dipole", folder, tmp_path / "plain", "method=tkd")
    strong = run("dipole", folder, tmp_path / "strong", "method=tkd", "threshold=0.3")
    maps = [read_volume(out / "chimap.nii.gz").data for out in (plain, strong)]
    assert maps[0].std() > maps[1].std()


@pytest.mark.parametrize(
    ("stage", "setting", "message"),
    [
        ("dipole", "treshold=0.2", "expected key=value with one of dipole_inversion.method"),
        ("dipole", "threshold=big", "threshold"),
        ("dipole", "threshold=0", "threshold"),
        ("dipole", "method=magic", "method"),
        ("bfr", "pipeline=best", "--set pipeline: 'best' is not one of"),
        ("end-to-end", "threshold=0.2", "expected SECTION.threshold (sections brain_mask, local_field"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(folder, tmp_path, capsys, stage, setting, message):
    assert main([stage, str(folder), str(tmp_path / "out"), "--set", setting]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_and_mismatched_files_are_named(folder, tmp_path, capsys):
    assert main(["bfr", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "totalfield.nii.gz: expected a readable NIfTI" in capsys.readouterr().err
    write_volume(tmp_path / "magnitude.nii.gz", np.ones((4, 4, 4, 3), np.float32), GRID)
    write_json(tmp_path / "params.json", {"TE": [0.01], "B0": 3})
    assert main(["r2star", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "found no B0_dir, voxel_size" in capsys.readouterr().err
    write_json(tmp_path / "params.json", {"TE": [0.01, 0.02], "B0": 3, "B0_dir": [0, 0, 1], "voxel_size": [1, 1, 1]})
    assert main(["r2star", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "magnitude.nii.gz: expected 2 echoes (params.json), found 3" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["phase", "magnitude"])
def test_bad_voxels_do_not_spread(folder, tmp_path, name):
    spoilt = tmp_path / "in"
    shutil.copytree(folder, spoilt)
    volume = read_volume(folder / f"{name}.nii.gz")
    volume.data[20, 30, 20, 2] = np.nan
    volume.data[0, 0, 0] = np.inf
    write_volume(spoilt / f"{name}.nii.gz", volume.data, GRID)
    clean = read_volume(run("end-to-end", folder, tmp_path / "clean") / "chimap.nii.gz").data
    chi = read_volume(run("end-to-end", spoilt, tmp_path / "out") / "chimap.nii.gz").data
    assert np.isfinite(chi).all()
    both = (chi != 0) & (clean != 0)
    assert np.corrcoef(chi[both], clean[both])[0, 1] > 0.95


def test_mask_on_another_grid_is_named(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "in")
    write_volume(tmp_path / "in/mask.nii.gz", np.ones((4, 4, 4), bool), GRID)
    assert main(["bfr", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    assert "mask.nii.gz: expected the grid of the images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"), [("B0", None), ("B0", [3, 3]), ("TE", ["a", "b"]), ("TE", [None, 0.01]), ("B0_dir", "z")]
)
def test_facts_that_are_no_numbers_are_refused_with_their_file(folder, tmp_path, capsys, key, value):
    shutil.copytree(folder, tmp_path / "in")
    facts = read_json(folder / "params.json")
    write_json(tmp_path / "in/params.json", facts | {key: value})
    assert main(["field-mapping", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    assert f"params.json: expected numbers as {key}, found {value!r}" in capsys.readouterr().err


def test_a_magnitude_without_signal_gives_no_field(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "in")
    magnitude = read_volume(folder / "magnitude.nii.gz").data
    write_volume(tmp_path / "in/magnitude.nii.gz", 0 * magnitude, GRID)
    assert main(["field-mapping", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    assert "magnitude.nii.gz: expected signal in the mask, found none" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["unwrap", "field-mapping", "end-to-end"])
def test_phase_in_another_unit_is_refused_with_the_factor(folder, tmp_path, capsys, stage):
    source = only(folder, tmp_path / "in", "magnitude", "mask")
    slab = read_volume(folder / "phase.nii.gz").data[:, :, 10:20]
    write_volume(source / "phase.nii.gz", np.degrees(slab), GRID)
    assert main([stage, str(source), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "phase.nii.gz (echo " in error and "(radians)" in error
    assert "if these are degrees, the phase is 0.0174533 * value" in error
    assert not (tmp_path / "out").exists()


def test_phase_that_leaves_the_turn_empty_is_taken_for_radians_with_a_note(folder, tmp_path, capsys):
    source, small = tmp_path / "in", (24, 24, 12)
    source.mkdir()
    write_volume(source / "phase.nii.gz", 0.02 * np.indices((*small, 2), np.float32)[:3].sum(axis=0), GRID)
    write_volume(source / "mask.nii.gz", np.ones(small, bool), GRID)
    write_json(source / "params.json", read_json(folder / "params.json") | {"TE": [0.005, 0.01]})
    run("unwrap", source, tmp_path / "out")
    assert "fill 18% of a turn and do not confirm that they are radians" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["brain-mask", "bfr", "dipole", "end-to-end", "r2star"])
def test_a_voxel_size_other_than_that_of_the_images_is_refused(folder, tmp_path, capsys, stage):
    source = only(folder, tmp_path / "in", "phase", "magnitude", "mask", "totalfield", "localfield")
    write_json(source / "params.json", read_json(folder / "params.json") | {"voxel_size": [1, 1, 1]})
    assert main([stage, str(source), str(tmp_path / "out")]) == 2
    assert "params.json, voxel_size: expected the voxel size of the images, [" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "name"), [("bfr", "totalfield"), ("dipole", "mask"), ("end-to-end", "phase"), ("nuclei", "chimap")]
)
def test_a_header_with_impossible_voxels_is_refused(folder, tmp_path, capsys, stage, name):
    source = only(folder, tmp_path / "in", "phase", "magnitude", "mask", "totalfield", "localfield")
    shutil.copy(folder / "truth.nii.gz", source / "chimap.nii.gz")
    metres = Volume(data=None, affine=GRID.affine / 1000)
    data = read_volume(source / f"{name}.nii.gz").data
    (source / f"{name}.nii.gz").unlink()
    write_volume(source / f"{name}.nii.gz", data, metres)
    assert main([stage, str(source), str(tmp_path / "out")]) == 2
    assert f"{name}.nii.gz: expected voxel edges from 0.05 to 20 mm (pixdim), found [" in capsys.readouterr().err
