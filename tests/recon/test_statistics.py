"""Statistics of maps in regions: definitions that others agree on, and what counts as measured."""

import numpy as np
import pytest

from recon.regions.nuclei import nucleus_labels, nucleus_names
from recon.regions.statistics import BOTH, Region, core, nuclei_regions, own_regions, statistics_table, summary

IBSI = np.repeat([1.0, 3, 4, 6], [50, 1, 16, 7])  # the voxels of the digital phantom of the IBSI


@pytest.mark.parametrize(
    ("feature", "value"),
    [("mean", 2.15), ("median", 1), ("p25", 1), ("p75", 4), ("skewness", 1.08), ("kurtosis", -0.355), ("energy", 567),
     ("entropy", 1.27)],
)  # fmt: skip
def test_features_are_those_of_the_image_biomarker_standard(feature, value):
    """Zwanenburg 2020, doi:10.1148/radiol.2020191145: values that all its teams agree on, to three digits."""
    assert summary(IBSI, 1.0, more=True)[feature] == pytest.approx(value, rel=4e-3)


def test_values_that_all_agree_have_no_skewness_kurtosis_and_entropy():
    found = summary(np.full(9, 0.1), 0.01, more=True)
    assert (found["sd"], found["skewness"], found["kurtosis"], found["entropy"]) == pytest.approx((0, 0, 0, 0))


def table(**more):
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0] = [1, 1, 2, 2]
    white = np.zeros(labels.shape, bool)
    white[0, 0, 0] = white[3] = True
    chi = np.full(labels.shape, -0.01, np.float32)
    chi[0, 0] = [0.1234567, 0, np.nan, 0.2]
    maps = {"chi": chi, "chi_echo2": chi, "t1w": np.full(labels.shape, 7.0)}
    lesion = own_regions("label-lesion_mask", (labels == 1).astype(np.int32), {1: "lesion"})
    regions = [*nuclei_regions(labels, white), *lesion]
    return statistics_table(regions, maps, (1.5, 1.5, 2), "csf", **more)


def cell(found, nucleus, hemisphere, map_name, statistic, column="value"):
    rows = found[(found["nucleus"] == nucleus) & (found["statistic"] == statistic)]
    rows = rows[rows["map"].isna() if map_name is None else rows["map"] == map_name]
    (value,) = rows[rows["hemisphere"].isna() if hemisphere is None else rows["hemisphere"] == hemisphere][column]
    return value


def test_only_measured_voxels_count_and_their_number_is_told():
    found, (name, _) = table(), nucleus_labels()[1]
    assert cell(found, name, "L", "chi", "mean") == "0.123457"  # six digits
    assert cell(found, name, "L", "chi", "mean", "voxels") == 1
    assert cell(found, name, "L", None, "volume") == "9" and cell(found, name, "L", None, "volume", "voxels") == 2
    assert cell(found, name, "L", "chi", "sd") is None  # of one voxel
    assert float(cell(found, name, BOTH, "chi", "mean")) == pytest.approx((0.1234567 + 0.2) / 2, rel=1e-5)
    assert cell(found, "white_matter", None, "chi", "p5") == "-0.01"


def test_each_row_says_what_is_zero_and_which_unit_it_has():
    found, (name, _) = table(flag="thin_slab"), nucleus_labels()[1]
    zero = [cell(found, name, "L", map_name, "mean", "reference") for map_name in ("chi", "chi_echo2", "t1w")]
    assert zero == ["csf", "none", None]
    assert cell(found, "lesion", None, "chi", "energy", "unit") == "(ppm)^2"
    assert cell(found, "lesion", None, "chi", "entropy", "unit") == "bit"
    assert set(found["flag"]) == {"thin_slab"}


def test_every_nucleus_has_its_rows_though_it_holds_no_voxel_and_lesions_have_more():
    found = table()
    assert set(nucleus_names()) < set(found["nucleus"])
    assert found[found["statistic"] == "entropy"]["segmentation"].unique().tolist() == ["label-lesion_mask"]
    assert not ((found["statistic"] == "entropy") & (found["map"] == "t1w")).any()  # arbitrary units have no bins
    last = nucleus_names()[-1]
    assert cell(found, last, "L", "chi", "mean") is None and cell(found, last, "L", None, "volume") == "0"


def test_a_nucleus_in_parts_has_rows_of_its_union_beside_those_of_the_parts():
    labels, white = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), bool)
    labels[0, 0], labels[1, 0, :2] = 19, 21  # external and internal pallidum, left
    chi = np.where(labels == 19, 0.1, 0.4).astype(np.float32)
    found = statistics_table(nuclei_regions(labels, white), {"chi": chi}, (1, 1, 1), "none")
    names = ("pallidum", "pallidum_external", "pallidum_internal")
    assert [float(cell(found, name, "L", "chi", "mean")) for name in names] == pytest.approx([0.2, 0.1, 0.4])
    assert [cell(found, name, BOTH, None, "volume") for name in names] == ["6", "4", "2"]


def test_a_region_without_measured_voxels_is_missing_throughout():
    region = Region("label-lesion_mask", "lesion", None, np.ones((2, 2, 2), bool), own=True)
    found = statistics_table([region], {"chi": np.zeros((2, 2, 2))}, (1, 1, 1), "none")
    assert found["value"].tolist() == ["8"] + [None] * (len(found) - 1)


def test_each_row_says_how_sure_its_place_is_and_flags_what_is_doubtful():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0] = [1, 1, 2, 2]
    none, chi, (name, _) = np.zeros(labels.shape, bool), {"chi": np.ones(labels.shape)}, nucleus_labels()[1]
    found = statistics_table(nuclei_regions(labels, none, {1: 0.9, 2: 0.25}), chi, (1, 1, 1), "none", "thin_slab")
    told = [[cell(found, name, side, "chi", "mean", column) for side in ("L", "R", BOTH)]
            for column in ("confidence", "flag")]  # fmt: skip
    assert told == [["0.9", "0.25", "0.25"], ["thin_slab", "thin_slab; doubtful", "thin_slab; doubtful"]]
    drawn = statistics_table(nuclei_regions(labels, none, {1: 0.9, 2: 0.25}, drawn=True), chi, (1, 1, 1), "none")
    assert cell(drawn, name, "R", "chi", "mean", "flag") is None


def test_core_is_the_median_of_the_inside_and_of_nuclei_alone():
    labels, white = np.zeros((9, 9, 9), np.uint8), np.zeros((9, 9, 9), bool)
    labels[1:8, 1:8, 1:8] = 1
    white[0] = True
    inside, chi = np.zeros(labels.shape, bool), np.full(labels.shape, 0.02)
    inside[2:7, 2:7, 2:7] = True  # 125 of the 343 voxels: mean and median are those of the rim
    chi[inside] = 0.1
    found, (name, _) = (
        statistics_table(nuclei_regions(labels, white), {"chi": chi}, (1, 1, 1), "none"),
        nucleus_labels()[1],
    )
    assert [cell(found, name, "L", "chi", statistic) for statistic in ("median", "core")] == ["0.02", "0.1"]
    assert set(found[found["statistic"] == "core"]["hemisphere"]) == {"L", "R", BOTH}


def test_core_with_equal_depths_is_the_median_and_without_voxels_missing():
    values = np.array([4.0, 1, 3, 10])
    assert core(values, np.ones(4)) == np.median(values)
    assert core(values, np.array([1, 1, 1, 3.0])) > 4
    assert np.isnan(core(np.zeros(0), np.zeros(0)))
