"""Brain mask: erosion in mm, islands and holes, and the choice between FSL and our own extraction."""

import os
import stat
import sys

import numpy as np
import pytest

from recon.acquisition import choose_echo
from recon.grid import Grid
from recon.mask import brain_mask, choose_tool, extract_brain
from recon.mask.fsl import find_bet, fsl_bet
from recon.mask.leak import volume_ml
from recon.mask.stage import erode_in_plane, remove_islands
from recon.maths.boxes import slice_axis

PARAMS = {"tool": "builtin", "threshold": 0.2, "erode_mm": 2.4, "island_mm3": 1000.0}

STAND_IN = f"""#!{sys.executable}
'''bet IN OUT [-f FRACTION -m -n]: a mask of all voxels above the fraction of the maximum.'''
import os, sys
import nibabel as nib
import numpy as np
image = nib.load(sys.argv[1])
fraction = float(sys.argv[sys.argv.index("-f") + 1])
assert "-m" in sys.argv and os.environ["FSLOUTPUTTYPE"] == "NIFTI_GZ"
if fraction == 0.9:
    sys.exit("no brain here")
data = image.get_fdata()
stem = sys.argv[2].removesuffix(".nii.gz")
mask = (data > fraction * data.max()).astype(np.uint8)
nib.save(nib.Nifti1Image(mask, image.affine), stem + "_mask.nii.gz")
if fraction == 0.3:
    print("a word of warning", file=sys.stderr)
"""


@pytest.fixture
def no_fsl(monkeypatch, tmp_path):
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def fsl(monkeypatch, tmp_path):
    executable = tmp_path / "fsl" / "bin" / "bet"
    executable.parent.mkdir(parents=True)
    executable.write_text(STAND_IN)
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "fsl" / "etc").mkdir()
    (tmp_path / "fsl" / "etc" / "fslversion").write_text("6.0.0\n")
    monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
    monkeypatch.setenv("FSLOUTPUTTYPE", "NIFTI")
    return executable


@pytest.fixture
def ball():
    """A bright ball of radius 30 mm on 2 x 2 x 3 mm voxels, and where it is."""
    grid_mm = np.stack(np.indices((40, 40, 28)), axis=-1) * [2, 2, 3]
    inside = np.linalg.norm(grid_mm - [39, 39, 40.5], axis=-1) < 30
    return np.where(inside, 100, 1).astype(np.float32), inside


@pytest.mark.parametrize(
    ("voxel_size_mm", "axis"),
    [((1, 1, 3), 2), ((3, 1, 1), 0), ((1, 2, 1), 1), ((1, 1, 1), 2)],
)
def test_slices_are_normal_to_the_longest_edge(voxel_size_mm, axis):
    assert slice_axis(Grid(voxel_size_mm)) == axis


def test_slices_of_isotropic_voxels_are_axial_however_they_are_stored():
    assert slice_axis(Grid((2, 2, 2), (-0.96, 0.28, 0))) == 0


def test_erosion_is_a_disc_in_mm():
    mask = np.zeros((41, 41, 3), bool)
    mask[5:36, 5:36] = True
    eroded = erode_in_plane(mask, Grid((0.6, 1.2, 2.0)), radius_mm=2.4)  # 4 voxels of 0.6 mm, 2 of 1.2 mm
    expected = np.zeros_like(mask)
    expected[9:32, 7:34] = True
    np.testing.assert_array_equal(eroded, expected)


def test_erosion_leaves_the_slice_direction_alone():
    mask = np.zeros((21, 3, 21), bool)
    mask[5:16, 1, 5:16] = True
    assert erode_in_plane(mask, Grid((1, 4, 1)), radius_mm=1.0)[:, 1].sum() == 9 * 9


def test_erosion_does_not_eat_from_the_edge_of_the_image():
    assert erode_in_plane(np.ones((9, 9, 9), bool), Grid((1, 1, 1)), radius_mm=3).all()


def test_erosion_does_not_write_its_input():
    mask = np.zeros((9, 9, 1), bool)
    mask[2:7, 2:7] = True
    erode_in_plane(mask, Grid((1, 1, 1)), radius_mm=1)
    assert mask.sum() == 25


def test_small_islands_go_and_small_holes_are_filled():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:20, 5:20, 5:20] = True
    expected = mask.copy()
    mask[10:12, 10:12, 10:12] = False  # hole of 8 voxels
    mask[25:27, 25:27, 25:27] = True  # island of 8 voxels
    np.testing.assert_array_equal(remove_islands(mask, Grid((1, 1, 2)), minimum_mm3=9 * 2.0), expected)


def test_islands_and_holes_of_the_limit_stay():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:20, 5:20, 5:20] = True
    mask[10:12, 10:12, 10:12] = False
    mask[25:27, 25:27, 25:27] = True
    np.testing.assert_array_equal(remove_islands(mask, Grid((1, 1, 2)), minimum_mm3=8 * 2.0), mask)


def test_mask_that_vanishes_is_refused_with_its_volumes(ball, no_fsl):
    image, _ = ball
    params = {"tool": "builtin", "threshold": 0.5, "erode_mm": 100.0, "island_mm3": 1.0}
    with pytest.raises(ValueError, match=r"found none in \d+\.\d\d ml extracted, 0\.00 ml eroded"):
        brain_mask(image, Grid((2, 2, 3)), **params)


def test_built_in_tool_masks_the_ball(ball, no_fsl):
    image, inside = ball
    mask = brain_mask(image, Grid((2, 2, 3)), **PARAMS)
    assert 0.75 * inside.sum() < mask.sum() < inside.sum()
    assert not (mask & ~inside).any()


@pytest.fixture
def leaking_head():
    """A brain of 1.1 l in bone two thirds as bright, on 4 mm voxels: BET at 0.2 takes bone and scalp for brain."""
    grid_mm = np.stack(np.indices((54, 60, 50)), axis=-1) * 4.0 - [106, 118, 98]
    radius = np.linalg.norm(grid_mm / [62, 72, 60], axis=-1)
    magnitude = np.select([radius < 1, radius < 1.15, radius < 1.45], [1000, 655, 1000], 0)
    noise = np.random.default_rng(0).normal(scale=5, size=(2, *radius.shape))
    return np.hypot(magnitude + noise[0], noise[1]).astype(np.float32), radius < 1


def raw(threshold):
    return {"tool": "builtin", "threshold": threshold, "erode_mm": 0.0, "island_mm3": 0.0}


def test_a_leak_raises_the_threshold_and_says_so(leaking_head):
    magnitude, brain = leaking_head
    mask, threshold, note = extract_brain(magnitude, Grid((4, 4, 4)), **raw(0.2))
    assert threshold == 0.5
    assert "leaked at threshold 0.2" in note
    assert volume_ml(mask, (4, 4, 4)) < 1.15 * volume_ml(brain, (4, 4, 4))


def test_a_leak_is_a_warning_of_the_plain_mask(leaking_head):
    with pytest.warns(UserWarning, match="raised to 0.5"):
        brain_mask(leaking_head[0], Grid((4, 4, 4)), **raw(0.2))


def test_a_mask_that_does_not_leak_keeps_its_threshold(leaking_head):
    magnitude, brain = leaking_head
    _, threshold, note = extract_brain(magnitude * np.where(brain, 1, 0.5), Grid((4, 4, 4)), **raw(0.2))
    assert (threshold, note) == (0.2, "")


def test_fluid_as_bright_as_brain_is_told_by_its_decay():
    """A brain of 1.5 l in fluid and scalp, no bone between: one echo shows no edge, several do."""
    grid_mm = np.stack(np.indices((54, 60, 50)), axis=-1) * 4.0 - [106, 118, 98]
    radius = np.linalg.norm(grid_mm / [66, 80, 68], axis=-1)
    brain, te_s = radius < 1, np.array([0.005, 0.010, 0.015, 0.020, 0.025, 0.030])
    r2star_hz = np.select([radius < 1, radius < 1.1], [20, 4], 35)
    echoes = 1000 * (radius < 1.25)[..., None] * np.exp(-te_s * r2star_hz[..., None])
    echoes += np.random.default_rng(0).normal(scale=20, size=echoes.shape)
    one = extract_brain(echoes[..., 1], Grid((4, 4, 4)), **raw(0.2))
    several = extract_brain(echoes, Grid((4, 4, 4)), **raw(0.2))
    assert "more than any brain" in one.note
    assert "decay between first and last echo" in several.note
    overlap = 2 * np.sum(several.mask & brain) / (np.sum(several.mask) + np.sum(brain))
    assert overlap > 0.95


def test_auto_without_fsl_is_built_in(no_fsl):
    assert find_bet() is None
    assert choose_tool("auto") == "builtin"


def test_fsl_without_fsl_is_refused(no_fsl):
    with pytest.raises(ValueError, match="expected FSL's bet"):
        choose_tool("fsl")


def test_unknown_tool_is_refused():
    with pytest.raises(ValueError, match="config brain_mask.tool: expected one of auto, fsl, builtin, found magic"):
        choose_tool("magic")


def test_auto_with_fsl_is_fsl(fsl):
    assert find_bet() == fsl
    assert choose_tool("auto") == "fsl"
    assert choose_tool("builtin") == "builtin"


def test_fsl_on_path_alone_is_found(fsl, monkeypatch):
    monkeypatch.delenv("FSLDIR")
    monkeypatch.setenv("PATH", f"{fsl.parent}{os.pathsep}{os.environ['PATH']}")
    assert find_bet() == fsl


def test_fsl_makes_the_mask_whatever_its_output_type(fsl, ball):
    image, inside = ball
    broken = image.copy()
    broken[0, 0, 0] = np.nan
    np.testing.assert_array_equal(fsl_bet(broken, (2, 2, 3), threshold=0.2), inside)


def test_fsl_that_complains_but_delivers_is_a_warning(fsl, ball):
    image, inside = ball
    with pytest.warns(UserWarning, match="a word of warning"):
        np.testing.assert_array_equal(fsl_bet(image, (2, 2, 3), threshold=0.3), inside)


def test_fsl_that_fails_is_an_error(fsl, ball):
    with pytest.raises(RuntimeError, match="no brain here"):
        fsl_bet(ball[0], (2, 2, 3), threshold=0.9)


def test_brain_mask_goes_through_fsl(fsl, ball):
    image, inside = ball
    params = {"tool": "auto", "threshold": 0.2, "erode_mm": 0.0, "island_mm3": 0.0}
    np.testing.assert_array_equal(brain_mask(image, Grid((2, 2, 3)), **params), inside)


@pytest.mark.parametrize(("echoes", "wanted", "index"), [(6, 2, 1), (1, 2, 0), (3, 3, 2)])
def test_last_echo_stands_in_for_a_missing_one(echoes, wanted, index):
    assert choose_echo(echoes, wanted) == index


def test_volume_in_ml():
    assert volume_ml(np.ones((10, 10, 10), bool), (1, 1, 2)) == pytest.approx(2)
