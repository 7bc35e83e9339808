"""What the head `nuclei` reads of the located nuclei: names, sites, maps that are not used."""

import numpy as np
import pandas as pd
import pytest

from qnet.networks.located import beside, located, read_means, regions_of

ABOUT = {"normalise": {"channels": ["QSM", "R2star", "T1w"]}}
MEANS = {"chi_ppm": {"putamen": 0.05, "own": 0.1}, "r2star_hz": {"putamen": 30.0}}
REGIONS = [["chi_ppm", "putamen"], ["chi_ppm", "own"], ["r2star_hz", "putamen"]]


def test_every_region_that_any_scan_has_is_read_and_those_that_a_scan_lacks_are_missing():
    other = {"chi_ppm": {"putamen": 0.04}, "r2star_hz": {"putamen": 28.0}}
    assert regions_of([other, MEANS]) == REGIONS
    assert located(other, REGIONS, ABOUT) == pytest.approx(np.array([0.04, np.nan, 28.0]), nan_ok=True)


def test_means_are_read_through_the_window_of_the_site():
    """v' = (v - shift) / scale, of a subject of the study and of a new one of a known site."""
    line = [0.01, 2.0, 10.0, 0.5]
    about = ABOUT | {"windows": {"sub-01": line}, "site_windows": {"east": line}}
    for who in ({"participant": "sub-01"}, {"site": "east"}):
        assert located(MEANS, REGIONS, about, **who) == pytest.approx([0.02, 0.045, 40.0])
    with pytest.raises(ValueError, match="harmonised windows: expected one of east, found west"):
        located(MEANS, REGIONS, about, site="west")


def test_a_map_that_the_networks_may_not_use_is_missing():
    found = located(MEANS, REGIONS, {"normalise": {"channels": ["R2star"]}})
    assert np.isnan(found).tolist() == [True, True, False]


def test_numbers_of_a_scan_stand_behind_each_slice_and_version():
    found = beside(np.zeros((2, 5, 8), np.float32), np.array([1.0, np.nan, 3.0]))
    assert found.shape == (2, 5, 11) and found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 8:], np.broadcast_to(np.float32([1, np.nan, 3]), (2, 5, 3)))


def test_both_sides_of_a_nucleus_are_one_mean(tmp_path):
    rows = {"name": ["putamen", "putamen"], "voxels": [30, 10], "chi_ppm_mean": [0.1, 0.2], "r2star_hz_mean": [20, 40]}
    path = tmp_path / "sub-01_ses-1_desc-nuclei_stats.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    means = read_means([str(path)])["sub-01"]
    assert located(means, regions_of([means]), ABOUT) == pytest.approx([0.125, 25.0])
