"""The benchmark of all inversions: the same fields as the chain, and a table that says where a network fell back."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.generalisation import varied
from benchmarks.generators import HEADS, describe, write
from benchmarks.heads import read_head
from benchmarks.inversions import given, inverted, main, renewed
from recon.pipeline import reconstruct


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """The project's own simulator with voxels within the range of the networks (`own`), and beyond it (`mni`)."""
    folder = tmp_path_factory.mktemp("heads")
    for name, edge in (("own", 3.4), ("mni", 5.0)):
        scan = replace(HEADS["own"].scan, voxel_size_mm=(edge, edge, edge))
        arrays, facts = HEADS["own"].make(scan, np.random.default_rng(0))
        write(folder / name, arrays, describe(scan) | facts | {"head": name, "generator": name, "coarse": True})
    return folder


def test_the_field_of_the_benchmark_is_that_of_the_chain(heads):
    head = read_head(heads / "own")
    one = given(head, "consensus")
    found, _ = inverted(head, one, "tv")
    chain = reconstruct(head["phase"], head["magnitude"], head["brain"], head.acquisition, varied(()))
    np.testing.assert_array_equal(one.known, chain.mask)
    np.testing.assert_allclose(found, chain.chi_ppm, atol=1e-6)


def test_a_network_beyond_its_range_is_marked_and_scores_as_tv(heads, tmp_path):
    options = ["--heads", str(heads), "--only", "own", "--only", "mni", "--input", "alone", "--no-pictures"]
    main([*options, "--method", "tv", "--method", "qsmnet", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "inversions.tsv", sep="\t")
    scores = table.pivot_table(index=["head", "method"], columns="metric", values="value")
    assert scores["fallback"].to_dict() == {
        ("own", "tv"): 0, ("own", "qsmnet"): 0, ("mni", "tv"): 0, ("mni", "qsmnet"): 1,
    }  # fmt: skip
    assert scores.loc[("mni", "qsmnet"), "nrmse_percent"] == scores.loc[("mni", "tv"), "nrmse_percent"]
    assert scores.loc[("own", "qsmnet"), "nrmse_percent"] != scores.loc[("own", "tv"), "nrmse_percent"]


def test_a_picture_shows_every_method(heads, tmp_path):
    main(["--heads", str(heads), "--only", "own", "--input", "consensus", "--method", "tkd", "--out", str(tmp_path)])
    assert (tmp_path / "inversions-own.png").stat().st_size > 10_000


def test_rows_that_are_not_measured_again_stay_in_their_order():
    rows = [("own", "alone", "tv", 1.0), ("own", "alone", "unrolled", 2.0), ("mni", "alone", "tv", 3.0)]
    before = pd.DataFrame(rows, columns=["head", "input", "method", "value"])
    new = pd.DataFrame([("own", "alone", "tv", 9.0), ("own", "paper", "tkd", 8.0)], columns=before.columns)
    assert renewed(before, new)["value"].tolist() == [9.0, 2.0, 8.0, 3.0]
    assert renewed(pd.DataFrame(), new) is new
