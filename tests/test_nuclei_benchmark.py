"""How labels are scored, and how surfaces are fitted to labels: on shapes and tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import nuclei
from benchmarks.nuclei import KEYS, compare, errors, main, summary, surface_distance_mm, widened
from benchmarks.nuclei_shapes import dice, fitted
from recon.problems import ProblemError
from recon.regions.nuclei import rotation
from recon.regions.shapes import LABELS, Surface


def box(start):
    mask = np.zeros((40, 20, 20), bool)
    mask[start : start + 10, 5:15, 5:15] = True
    return mask


def test_surface_distance_of_shifted_boxes_is_the_shift():
    assert surface_distance_mm(box(5), box(5), (1.5, 1, 1)) == 0
    assert surface_distance_mm(box(5), box(8), (1.5, 1, 1)) == pytest.approx(4.5)
    assert np.isnan(surface_distance_mm(box(5), np.zeros((40, 20, 20), bool), (1, 1, 1)))


def test_wide_ventricles_push_nuclei_from_the_midline():
    truth = np.zeros((61, 41, 41), np.uint8)
    truth[15:20, 18:23, 18:23], truth[41:46, 18:23, 18:23] = 1, 2
    wide = widened({"nuclei": truth, "chi": truth.astype(np.float32)}, np.ones(3))
    middle = [np.argwhere(wide["nuclei"] == label)[:, 0].mean() for label in (1, 2)]
    assert middle[0] < 15 and middle[1] > 45
    assert wide["chi"].shape == truth.shape


def test_a_turned_ellipsoid_is_fitted_by_its_own_surface():
    points = np.argwhere(np.ones((50, 44, 40), bool)) - (24.3, 22.1, 20.4)
    turn = rotation(20, -35, 50)
    inside = np.linalg.norm((points - (1, -1, 2)) @ turn / (14, 9, 6), axis=1) < 1
    row = fitted(inside, (50, 44, 40), points)
    surface = Surface(label=1, centre_mm=row[:3], semi_mm=row[3:6], turn=rotation(*row[6:9]), radius=row[9:])
    assert dice(surface.distance_mm(points) < 0, inside) > 0.97


def scored(nucleus="caudate", mean_ppm=0.104, share=1.0):
    """A row of the record: the label is 4 % off (8 % of the contrast), the map 25 %."""
    keys = dict(zip(KEYS, ("coarse", "mni", "none", "paper", "shapes", "chi"), strict=True))
    return keys | {
        "nucleus": nucleus, "hemisphere": "L", "white_ppm": 0.05, "dice": 0.9, "surface_distance_mm": 2.0,
        "mean_ppm": mean_ppm, "true_ppm": 0.1, "median_ppm": 0.1, "true_median_ppm": 0.1, "core_ppm": 0.12,
        "true_core_ppm": 0.1, "truth_ppm": 0.08, "truth_core_ppm": 0.1, "confidence": 0.9, "volume_share": share,
        "expected_dice": np.nan, "cpu_s": 1.0,
    }  # fmt: skip


def test_errors_tell_what_is_the_labels_from_what_is_the_maps():
    found = errors(
        pd.DataFrame([scored(), scored("putamen", 0.106), scored("thalamus", 1.0, share=0.3)]), ["nucleus"]
    ).T
    assert list(found) == ["caudate", "putamen"], "a piece of a nucleus is left out"
    off = ["mean", "mean_of_contrast", "core", "map_mean", "map_core", "both_mean", "label_ppb", "map_ppb"]
    assert found["caudate"][off].tolist() == pytest.approx([4, 8, 20, 25, 0, 30, 4, 20])
    assert found.loc["mean_5"].tolist() == [100, 0] and found.loc["mean_of_contrast_5"].tolist() == [0, 0]


def test_a_label_is_scored_against_the_true_one_in_both_maps(monkeypatch):
    """A caudate a voxel of ten off, a red nucleus that is missed, a part of the pallidum that only `finer` has."""
    monkeypatch.setattr(nuclei, "volumes_mm3", lambda: dict.fromkeys(LABELS, 4000.0))
    true, found, finer = np.zeros((3, 40, 40, 40), np.uint8)
    true[5:15, 5:15, 5:15], true[5:15, 25:35, 5:15], true[25:35, 5:15, 5:15] = 1, 9, 5
    found[6:16, 5:15, 5:15], found[25:35, 5:15, 5:15], finer[25:35, 5:15, 5:15] = 1, 19, 19
    chi = np.where(true == 1, 0.05, 0.01).astype(np.float32)
    chi[25:35, 5:15, 5:15], chi[5:15, 25:35, 5:15] = 0.12, 0.2
    chi[5, 5:15, 5:15] = 0  # not known
    maps = {"chi": chi, "true_chi": 2 * chi, "nuclei": true, "finer": finer}
    names = {label: LABELS[label] for label in (1, 5, 7, 9, 19)}
    rows = {row["nucleus"]: row for row in compare(found, maps, names, np.array([1, 1, 2.0]), 2.0, {1: 0.7})}
    assert set(rows) == {"caudate", "pallidum", "red_nucleus", "pallidum_external"}, "what the head lacks has no row"
    caudate = rows["caudate"]
    assert caudate["dice"] == pytest.approx(0.9) and caudate["surface_distance_mm"] == pytest.approx(1)
    assert caudate["mean_ppm"] == pytest.approx((9 * 0.05 + 0.01) / 10)  # unknown voxels do not count
    assert caudate["true_ppm"] == pytest.approx(0.05) and caudate["truth_ppm"] == pytest.approx(0.1)
    assert caudate["volume_share"] == pytest.approx(1.0)  # 1000 voxels of 2 mm3, twice as large in the template
    assert caudate["expected_dice"] == 0.7 and np.isnan(rows["pallidum"]["expected_dice"])
    assert rows["pallidum"]["dice"] == rows["pallidum_external"]["dice"] == 1, "the whole is found in its part"
    missed = rows["red_nucleus"]
    assert missed["dice"] == missed["confidence"] == 0 and np.isnan(missed["mean_ppm"])


def test_the_mean_is_over_whole_nuclei_that_every_method_knows():
    rows = [scored() | {"dice": 0.8}, scored() | {"dice": 0.9, "hemisphere": "R"}, scored("putamen") | {"dice": 0.75}]
    rows += [scored("accumbens") | {"dice": 0.1}, scored("thalamus", share=0.3) | {"dice": 0.2}]
    found = summary(pd.DataFrame(rows)).iloc[0]
    assert found["caudate"] == pytest.approx(0.85) and found["accumbens"] == pytest.approx(0.1)
    assert "thalamus" not in found and found["mean"] == pytest.approx((0.85 + 0.75) / 2)


def test_rows_that_a_table_holds_are_not_made_again(tmp_path, capsys):
    pd.DataFrame([scored()]).to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    row = ["--only", "mni", "--arm", "paper", "--change", "none", "--method", "shapes", "--inputs", "chi"]
    words = ["--keep", "--name", "t.tsv", "--out", str(tmp_path), "--heads", str(tmp_path / "none"), *row]
    main(words)
    assert "caudate" in capsys.readouterr().out
    with pytest.raises(ProblemError, match="facts.json"):  # of the head, which is asked for where a row is missing
        main([*words, "--arm", "consensus"])
