"""The benchmark of the intake's checks: what no head shows and what a true change shows is told."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.heads import Head
from benchmarks.intake_checks import AS_IT_IS, CHECKS, misjudged, over_heads, rows_of
from benchmarks.signal_faults import Scan
from recon.acquisition import Acquisition


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pd.DataFrame:
    """All checks and changes of a ball in noise, in a field of its own in each part."""
    rng, te_s = np.random.default_rng(0), np.array([0.005, 0.01, 0.015])
    acquisition = Acquisition(te_s=tuple(te_s), b0_tesla=3.0, voxel_size_mm=(4.0, 4.0, 4.0), b0_dir=(0.0, 0.0, 1.0))
    x, y, z = (np.indices((32, 36, 28)) - np.array([15, 19, 13])[:, None, None, None]) / 14
    brain = x**2 + y**2 / 1.3 + z**2 < 0.7
    hz = 30 * np.sin(3 * x + y) * np.cos(2 * y - z) + 20 * np.sin(4 * z)
    signal = (brain * (1.2 + x / 3))[..., None] * np.exp(2j * np.pi * hz[..., None] * te_s - 20 * te_s)
    signal += 0.02 * (rng.standard_normal(signal.shape) + 1j * rng.standard_normal(signal.shape))
    head = Head(folder=tmp_path_factory.mktemp("ball"), acquisition=acquisition, affine=()).keep(brain=brain)
    scan = Scan(head=head, magnitude=np.abs(signal), phase_rad=np.angle(signal))
    return pd.DataFrame(rows_of(scan, "ball"))


def test_every_check_looks_at_the_head_and_at_its_changes(rows):
    for check in CHECKS:
        of_check = rows[rows["check"] == check.name]
        assert of_check["change"].tolist() == [AS_IT_IS, *check.true, *check.faults]


@pytest.mark.parametrize("check", ["offsets of slices [rad]", "phase of noise", "mirrored echo"])
def test_a_fault_is_beyond_the_limit_and_the_head_is_not(rows, check):
    of_check = rows[(rows["check"] == check) & (rows["change"] != "along axis 2")]
    assert of_check.groupby("fault")["beyond"].agg(["min", "max"]).to_numpy().tolist() == [[0, 0], [1, 1]]


def test_faults_that_no_head_shows_and_true_changes_that_one_shows_are_told():
    found = {"seen in one": (1, [0, 1]), "seen in none": (1, [0, 0]), "not judged": (1, [np.nan] * 2),
             "true": (0, [0, 0]), "taken for a fault": (0, [0, 1])}  # fmt: skip
    rows = [
        {"check": "c", "change": change, "fault": fault, "limit": 0.5, "value": value, "beyond": value}
        for change, (fault, values) in found.items() for value in values
    ]  # fmt: skip
    table = over_heads(pd.DataFrame(rows))
    assert table["heads"].tolist() == [2, 2, 0, 2, 2]
    assert misjudged(table)["change"].tolist() == ["seen in none", "taken for a fault"]
