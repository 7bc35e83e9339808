"""Features of the nuclei: what is averaged, what is missing, one table a scan."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from qnet.baselines.feature_table import read_features
from qnet.baselines.regions import COLUMNS, RegionFeatures, read_names, region_features
from qnet.tables import write_table

SHAPE, VOXEL_MM = (24, 20, 10), (1.5, 1.0, 3.0)
PARAMS = RegionFeatures(minimum_voxels=10, levels=8, chi_window_ppm=(-0.1, 0.3), r2star_window_hz=(0, 60))
NAMES = "index\tname\themisphere\n1\tputamen\tL\n2\tputamen\tR\n3\tdentate\tL\n4\tdentate\tR\n0\twhite_matter\tn/a\n"


def scan() -> dict[str, np.ndarray]:
    """Left putamen at half the size of the right one; dentate nuclei beside them."""
    rng = np.random.default_rng(1)
    maps = {"chi": rng.normal(0.05, 0.03, SHAPE), "r2star": rng.normal(25, 3, SHAPE), "t1w": rng.uniform(50, 90, SHAPE)}
    dseg, box = np.zeros(SHAPE), np.zeros(SHAPE)
    dseg[3:6, 4:8, 4:8] = 1
    dseg[12:18, 4:8, 4:8] = 2
    dseg[3:6, 12:16, 2:6] = 3
    dseg[12:15, 12:16, 2:6] = 4
    box[2:20, 2:18, 3:9] = 1
    return {name: data.astype(np.float32) for name, data in (maps | {"dseg": dseg, "box": box}).items()}


def features(folder, maps, turn=lambda image: image, names=NAMES, **more) -> pd.DataFrame:
    (folder / "stats.tsv").write_text(names)
    paths = {}
    for name, data in maps.items():
        paths[name] = str(folder / f"{name}.nii.gz")
        nibabel.save(turn(nibabel.Nifti1Image(data, np.diag([*VOXEL_MM, 1]))), paths[name])
    return region_features(**paths, stats=str(folder / "stats.tsv"), params=PARAMS, **more).set_index("name")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return features(tmp_path_factory.mktemp("scan"), scan())


def test_names_are_unique_and_every_value_is_there(table):
    assert [table.index.name, *table.columns] == COLUMNS
    assert table.index.is_unique
    assert np.isfinite(table["value"]).all()


def test_mean_of_a_side_is_that_of_its_voxels(table):
    maps = scan()
    assert table.loc["chi_mean_putamen_R", "value"] == pytest.approx(maps["chi"][maps["dseg"] == 2].mean())
    assert table.loc["r2star_mean_dentate_L", "value"] == pytest.approx(maps["r2star"][maps["dseg"] == 3].mean())


def test_a_nucleus_in_parts_counts_once_and_whole(tmp_path, table):
    maps = scan()
    maps["dseg"][3:5][maps["dseg"][3:5] == 1] = 9  # a part of the left putamen
    (tmp_path / "parts").mkdir()
    names = NAMES + "9\tputamen_lateral\tL\n"
    found = features(tmp_path / "parts", maps, names=names, wholes={9: 1})
    pd.testing.assert_frame_equal(found, table)


def test_sides_are_weighted_by_volume(table):
    left, right, both = (table.loc[f"chi_mean_putamen_{side}", "value"] for side in ("L", "R", "both"))
    assert both == pytest.approx((left + 2 * right) / 3)


def test_units_say_what_the_values_are(table):
    units = {"chi_mean_putamen_L": "ppm", "r2star_iqr_dentate_both": "1/s", "chi_skewness_putamen_both": "1",
             "mask_volume_putamen_both": "mm3", "t1w_sd_box_both": "1"}  # fmt: skip
    assert table.loc[list(units), "unit"].to_dict() == units


def test_volume_is_the_mean_of_the_sides(table):
    assert table.loc["mask_volume_putamen_both", "value"] == pytest.approx((48 + 96) / 2 * 4.5)


def test_t1w_of_the_box_has_no_scale(table, tmp_path):
    maps = scan()
    brighter = features(tmp_path, maps | {"t1w": 7 * maps["t1w"]})
    np.testing.assert_allclose(brighter["value"], table["value"], rtol=1e-5)


def test_orientation_of_the_file_changes_nothing(table, tmp_path):
    def turned(image):
        return image.as_reoriented([[1, -1], [2, 1], [0, -1]])

    np.testing.assert_allclose(features(tmp_path, scan(), turned)["value"], table["value"], rtol=1e-4)


def test_voxels_that_were_not_measured_do_not_count(tmp_path):
    maps = scan()
    maps["chi"][3:5, 4:8, 4:8] = 0  # two thirds of the left putamen
    found = features(tmp_path, maps)["value"]
    assert found["chi_mean_putamen_L"] == pytest.approx(maps["chi"][5, 4:8, 4:8].mean())


def test_side_with_few_measured_voxels_is_missing_and_both_is_the_other(table, tmp_path):
    maps = scan()
    maps["chi"][3:6, 4:8, 5:8] = 0  # 12 of 48 voxels stay
    maps["chi"][3:6, 4, 4] = 0  # 9
    found = features(tmp_path, maps)["value"]
    assert np.isnan(found["chi_mean_putamen_L"])
    assert found["chi_mean_putamen_both"] == found["chi_mean_putamen_R"] == table.loc["chi_mean_putamen_R", "value"]
    assert found["r2star_mean_putamen_L"] == table.loc["r2star_mean_putamen_L", "value"]


def test_nucleus_that_is_not_there_is_missing_but_listed(table, tmp_path):
    maps = scan()
    maps["dseg"][maps["dseg"] > 2] = 0
    found = features(tmp_path, maps)
    assert list(found.index) == list(table.index)
    assert found["value"].isna().to_numpy().tolist() == (table["region"] == "dentate").to_numpy().tolist()


def test_shape_of_a_side_at_the_border_is_left_out(tmp_path):
    maps = scan()
    maps["dseg"][0:3, 4:8, 4:8] = 1
    assert features(tmp_path, maps)["value"]["mask_volume_putamen_both"] == pytest.approx(96 * 4.5)


def test_inputs_on_another_grid_are_refused(tmp_path):
    maps = scan()
    with pytest.raises(ValueError, match=r"dseg.nii.gz: expected the grid of .*chi.nii.gz, found another one"):
        features(tmp_path, maps | {"dseg": maps["dseg"][:-1]})


def test_names_need_their_columns(tmp_path):
    (tmp_path / "stats.tsv").write_text("index\tname\n1\tputamen\n")
    with pytest.raises(ValueError, match=r"stats.tsv: expected the columns \['hemisphere'\], found"):
        read_names(tmp_path / "stats.tsv")


def test_tables_of_scans_become_one_with_missing_values(table, tmp_path):
    second = table.reset_index()[COLUMNS]
    write_table(tmp_path / "sub-01_features.tsv", second)
    second.loc[0, "value"] = np.nan
    write_table(tmp_path / "sub-02_ses-1_features.tsv", second)
    assert "n/a" in (tmp_path / "sub-02_ses-1_features.tsv").read_text()
    values, about = read_features([tmp_path / "sub-01_features.tsv", tmp_path / "sub-02_ses-1_features.tsv"])
    assert list(values.index) == ["sub-01", "sub-02"]
    assert values.isna().sum().sum() == 1
    assert about.loc["chi_mean_putamen_L", "unit"] == "ppm"


def test_tables_with_other_features_are_refused(table, tmp_path):
    rows = table.reset_index()[COLUMNS]
    write_table(tmp_path / "sub-01_features.tsv", rows)
    write_table(tmp_path / "sub-02_features.tsv", rows[1:])
    with pytest.raises(ValueError, match=r"sub-02_features.tsv: expected one table per subject .* found others"):
        read_features([tmp_path / "sub-01_features.tsv", tmp_path / "sub-02_features.tsv"])
