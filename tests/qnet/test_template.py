"""Evidence in template space: places, means, enrichment, slice importance, and the figures."""

import numpy as np
import pandas as pd
import pytest

from qnet.explanation.cam_figures import PER_OUTCOME, montage, select, template_figure
from qnet.explanation.enrichment import enrichment, ideal_maps, of_subject, shares
from qnet.explanation.slice_importance import by_height, draw, nucleus_ranges, with_heights
from qnet.explanation.template import (
    CELL_PIXELS,
    VOXEL_MM,
    Evidence,
    Grid,
    Mean,
    average,
    evidence_pixels,
    locate,
    on_scan,
    sample,
    seen,
    to_pixels,
)
from qnet.images.data import write_stack

SIZE, CROP, SLICES = 80, 70, np.array([10, 12, 14])
PIXEL_MM, SLICE_MM = 1.5, 3.0
GROUPS = ("HC", "HH")


def to_mni(shift_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Columns run to the left, rows to the back; slices lie 3 mm apart, slice 10 at z = 0."""
    middle = (SIZE - 1) / 2 * PIXEL_MM
    matrices = np.zeros((len(SLICES), 3, 4), np.float32)
    matrices[:, 0, 0] = matrices[:, 1, 1] = -PIXEL_MM
    matrices[:, 2, 2] = SLICE_MM
    matrices[:, :, 3] = np.array(shift_mm) + [middle, middle, 0]
    matrices[:, 2, 3] += (SLICES - 10) * SLICE_MM
    return matrices


def subject(folder, number: int, group: str = "HH", correct: bool = True, shift_mm=(0.0, 0.0, 0.0)) -> Evidence:
    """A round brain with a square nucleus to the right of the middle, displaced by `shift_mm` in MNI space."""
    rng = np.random.default_rng(number)
    y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    brain = np.repeat((x**2 + y**2 < 30**2)[None], len(SLICES), 0)
    nuclei = np.zeros(brain.shape, np.uint8)
    nuclei[1:, 36:44, 20:30] = 6
    images = np.stack([nuclei * 0.02, 20 + 0 * brain, brain * 500 * number], 1) * brain[:, None]
    path = str(folder / f"sub-{number:02d}_stack.npz")
    stack = {"crop": images.astype(np.float32), "crop_nuclei": nuclei, "crop_brain": brain, "slice": SLICES}
    write_stack(path, stack | {"crop_to_mni": to_mni(shift_mm)})
    maps = rng.normal(size=(2, len(SLICES), 3, 3)).astype(np.float32)
    return Evidence(
        participant=f"sub-{number:02d}", group=group, stack=path, input="crop", correct=correct,
        scores=np.full(len(SLICES), 0.6), maps=maps[0], control=maps[1], crop_size=CROP,
    )  # fmt: skip


def changed(case: Evidence, **values) -> Evidence:
    return Evidence(**vars(case) | values)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stacks")
    return [subject(folder, number, GROUPS[number % 2], number % 3 > 0) for number in range(1, 13)]


def test_cells_are_interpolated_from_their_own_pixels():
    cells = np.arange(12.0).reshape(1, 3, 4)
    pixels = to_pixels(cells, 3 * CELL_PIXELS + 10)[0]
    rows, columns = np.indices((3, 4)) * CELL_PIXELS
    np.testing.assert_allclose(pixels[rows, columns], cells[0])
    assert pixels[0, CELL_PIXELS // 2] == pytest.approx(0.5)
    assert (pixels[2 * CELL_PIXELS :] == pixels[2 * CELL_PIXELS]).all()  # beyond the last centre


def test_a_constant_map_stays_constant():
    np.testing.assert_allclose(to_pixels(np.full((2, 7, 7), 3.0), 196), 3)


def test_evidence_lies_on_the_scan_where_the_network_saw_it(tmp_path):
    """The scan is stored from front to back and from left to right, and stands displaced in MNI space."""
    case = subject(tmp_path, 1, shift_mm=(4.0, -6.0, 0.0))
    middle = (SIZE - 1) / 2 * PIXEL_MM
    scan_to_mni = np.array([[0, 1.5, 0, 4 - middle], [-1.5, 0, 0, middle - 6], [0, 0, 3, -9], [0, 0, 0, 1]])
    found = on_scan(case, scan_to_mni, (SIZE, SIZE, 10))
    pixels = evidence_pixels(case)  # rows from front to back, columns from right to left
    for slice_, z in enumerate((3, 5, 7)):
        inner = slice(6, 74)  # of the pixels that the network saw the outermost may have no value
        expected = pixels[slice_][:, ::-1][inner, inner]
        np.testing.assert_allclose(found[inner, inner, z], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[:, :, [0, 1, 9]]).all()


def test_pixels_are_found_at_their_place_in_mni_space():
    """A field that is linear in MNI space comes back as itself; a slice stands for what lies around it."""
    matrices = to_mni((4.0, -6.0, 0.0))
    rows, columns = np.indices((SIZE, SIZE)).astype(float)
    pixels = np.stack([columns, rows, 0 * rows, 1 + 0 * rows])
    x, y, _ = np.einsum("ij,jrc->irc", matrices[0], pixels)
    grid = Grid(np.array([-20.0, -20.0, -4.0]), (16, 14, 14))
    places = locate(matrices, SLICES, grid)
    found = sample(np.repeat((x + 100 * y)[None], len(SLICES), 0), places)
    expected = grid.axis_mm(0)[:, None] + 100 * grid.axis_mm(1)
    levels = np.isfinite(found[8, 8])
    np.testing.assert_allclose(found[:, :, levels], np.repeat(expected[..., None], levels.sum(), -1), atol=1e-2)
    # slices at z = 0, 6 and 12 mm reach 3 mm up and down
    np.testing.assert_array_equal(grid.axis_mm(2)[levels], [-2, 0, 2, 4, 6, 8, 10, 12, 14])
    assert places[0, 8, 8, levels].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_mean_leaves_out_what_is_missing():
    mean = Mean()
    for volume in ([1.0, 2.0, np.nan], [3.0, np.nan, np.nan], [5.0, np.nan, 1.0], [7.0, 4.0, np.nan]):
        mean.add(np.array(volume))
    np.testing.assert_array_equal(mean.value(), [4.0, 3.0, np.nan])


def test_subjects_meet_in_template_space(tmp_path):
    """Nuclei at different pixels that lie at one place in MNI space fall onto each other."""
    near, far = subject(tmp_path, 1), subject(tmp_path, 2, shift_mm=(12.0, -9.0, 0.0))
    alone, both = average([near]), average([near, far])
    assert alone.nuclei[6].max() == both.nuclei[6].max() == 1
    place = np.argwhere(alone.nuclei[6] > 0.5).mean(0) * VOXEL_MM + alone.grid.low_mm
    assert place[0] > 10  # right of the middle
    only_far = average([far])
    moved = np.argwhere(only_far.nuclei[6] > 0.5).mean(0) * VOXEL_MM + only_far.grid.low_mm
    np.testing.assert_allclose(moved - place, (12, -9, 0), atol=VOXEL_MM)


def test_mean_evidence_of_groups(cases):
    plus = [changed(case, maps=np.full((3, 3, 3), 2.0 if case.group == "HH" else -1.0)) for case in cases]
    template = average(plus)
    assert template.counts == {"HH": 6, "HC": 6}
    for group, value in (("HH", 2.0), ("HC", -1.0)):
        mean = template.evidence[group]
        np.testing.assert_allclose(mean[np.isfinite(mean)], value, atol=1e-5)
        assert np.isfinite(mean).any()
    assert template.t1w[np.isfinite(template.t1w)].max() == pytest.approx(1, abs=0.01)  # whatever its unit


def test_evidence_stands_only_where_the_network_looked(cases):
    template = average(cases)
    width_mm = VOXEL_MM * np.isfinite(template.evidence["HH"]).any((1, 2)).sum()
    assert width_mm == pytest.approx((CROP - 1) * PIXEL_MM, abs=VOXEL_MM)


def test_shares_of_evidence_and_area():
    evidence, brain, nuclei = np.ones((1, 4, 4)), np.zeros((2, 1, 4, 4), bool), None
    brain, nuclei = brain
    brain[0, :2], nuclei[0, 1:3, :2] = True, True  # two of eight brain pixels
    evidence[0, 1, :2], evidence[0, 3] = 3, 100
    assert shares(evidence, nuclei, brain) == pytest.approx((6 / 12, 2 / 8))
    assert np.isnan(shares(0 * evidence, nuclei, brain)[0])


def test_even_evidence_is_not_enriched_and_evidence_of_the_nuclei_is(cases):
    rows, columns = seen(SIZE, CROP)
    nuclei = cases[0].array("nuclei")[:, rows, columns] > 0
    ideal = changed(cases[0], maps=ideal_maps(nuclei, (3, 3)), control=np.full((3, 3, 3), -0.3))
    table = of_subject(ideal).set_index(["weights", "evidence"])["enrichment"]
    assert table["random", "absolute"] == pytest.approx(1)
    assert np.isnan(table["random", "positive"])  # there is none
    assert table["trained", "absolute"] == pytest.approx(table["ideal", "absolute"])
    assert table["ideal", "absolute"] > 1.5


def test_enrichment_table(cases):
    table = enrichment(cases, 200)
    assert set(table["group"]) == {"all", "HH", "HC"}
    assert (table.loc[table["group"] == "all", "subjects"] == len(cases)).all()
    assert ((table["low"] <= table["enrichment"]) & (table["enrichment"] <= table["high"])).all()
    assert table["cell_mm"].unique() == pytest.approx(CELL_PIXELS * PIXEL_MM)
    own = table[(table["evidence"] == "absolute") & (table["group"] == "all")].set_index("weights")["enrichment"]
    assert own["trained - random"] == pytest.approx(own["trained"] - own["random"])
    pd.testing.assert_frame_equal(table, enrichment(cases, 200))


def slice_weights(cases) -> pd.DataFrame:
    """The highest slice has half of the weight."""
    rows = [(case.participant, z, weight) for case in cases for z, weight in zip(SLICES, (0.3, 0.2, 0.5), strict=True)]
    return pd.DataFrame(rows, columns=["participant_id", "slice", "weight"])


def test_weights_of_slices_by_height(cases):
    weights = with_heights(slice_weights(cases), [case.stack for case in cases], "crop")
    groups = pd.DataFrame({"participant_id": [c.participant for c in cases], "group": [c.group for c in cases]})
    table = by_height(weights.merge(groups), 100)
    own = table[table["group"] == "all"]
    assert own["z_mm"].tolist() == [2, 6, 14]  # steps that hold z = 0, 6 and 12 mm
    np.testing.assert_allclose(own["weight"], [0.9, 0.6, 1.5])
    assert (own["subjects"] == len(cases)).all()


def test_weight_of_an_unknown_slice_is_named(cases):
    weights = slice_weights(cases).replace({"slice": {14: 15}})
    with pytest.raises(ValueError, match="sub-01.*15"):
        with_heights(weights, [case.stack for case in cases], "crop")


def test_heights_of_the_nuclei(cases):
    ranges = nucleus_ranges([case.stack for case in cases], "crop")
    assert list(ranges) == ["pallidum"]  # label 6
    np.testing.assert_allclose(ranges["pallidum"], (6, 12), atol=1e-3)


def test_subjects_are_taken_in_order_right_before_wrong(cases):
    rows = select(cases[::-1], ("HH", "HC"))
    assert [[c.participant[-2:] for c in row] for row in rows] == [["01", "05", "03", "09"], ["02", "04", "06", "12"]]
    assert [c.correct for c in rows[0]] == [True] * PER_OUTCOME + [False] * PER_OUTCOME


def test_montage_is_the_same_each_time(cases, tmp_path):
    for name in ("a.png", "b.png"):
        montage(tmp_path / name, cases[:4], GROUPS, "Class activation, crop input", synthetic=True)
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert data == (tmp_path / "b.png").read_bytes()


def test_template_is_drawn(cases, tmp_path):
    template_figure(tmp_path / "t.png", average(cases[:4]), cases[:4], GROUPS, "Class activation, mean", synthetic=True)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


def test_slice_importance_is_drawn(cases, tmp_path):
    weights = with_heights(slice_weights(cases), [case.stack for case in cases], "crop")
    both = pd.concat([weights.assign(group=group) for group in GROUPS])
    draw(tmp_path / "w.png", by_height(both, 10), {"pallidum": (6, 12)}, GROUPS, "Weight of slices", synthetic=True)
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")


def test_montage_with_a_group_that_has_one_subject(cases, tmp_path):
    montage(tmp_path / "c.png", cases[:2], GROUPS, "t", synthetic=False)
    assert (tmp_path / "c.png").is_file()
