"""The arithmetic of docs/explanation/paper.md, from the numbers that the paper prints."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm

from qnet.evaluation.statistics import wilson

ROOT = Path(__file__).resolve().parents[2]
PAGE = " ".join((ROOT / "docs/explanation/paper.md").read_text(encoding="utf-8").split())
HH, HC = 49, 46
HALF = 0.005  # of the last printed digit


@pytest.fixture(scope="module")
def printed() -> dict[tuple, float]:
    """(table, input, model, metric) → value, and with `sd ` before the metric its spread."""
    table = pd.read_csv(ROOT / "resources/paper_results.tsv", sep="\t", dtype={"table": str})
    key = ["table", "input", "model", "metric"]
    of_models = table[table["table"] != "2"].set_index(key)
    spreads = of_models["spread"].rename(index=lambda metric: f"sd {metric}", level="metric")
    return of_models["value"].to_dict() | spreads.to_dict()


def cell(printed: dict, table: str, input_: str, model: str, *metrics: str) -> list[float]:
    return [printed[table, input_, model, metric] for metric in metrics]


def rows() -> list[tuple[str, str]]:
    return list(product(("full", "crop"), ("ResNet", "ResNetSWA", "Q-Net")))


def explains(value: float, n: int) -> bool:
    """Whether k/n rounds to a printed percentage for some whole k."""
    return bool(abs(round(100 * round(value * n / 100) / n, 2) - value) < 1e-6)


def explained(printed: dict, n1: int, n0: int) -> int:
    """How many of the 18 cells of table 3 are whole numbers of n1 patients and n0 controls."""
    sizes = {"accuracy": n1 + n0, "sensitivity": n1, "specificity": n0}
    return sum(explains(printed["3", *row, metric], n) for row in rows() for metric, n in sizes.items())


def weighted_f1(tp: float, tn: float, n1: float, n0: float) -> float:
    """Mean of the F1 of both groups, weighted by their sizes [percent]."""
    errors = n1 - tp + n0 - tn
    return 100 * (n1 * 2 * tp / (2 * tp + errors) + n0 * 2 * tn / (2 * tn + errors)) / (n1 + n0)


def share(accuracy: float, sensitivity: float, specificity: float) -> float:
    """P in accuracy = P sensitivity + (1 - P) specificity."""
    return (accuracy - specificity) / (sensitivity - specificity)


def test_only_49_and_46_explain_most_cells(printed):
    counts = {(n1, n0): explained(printed, n1, n0) for n1 in range(1, 53) for n0 in range(1, 48)}
    best, second, third = sorted(counts, key=counts.get, reverse=True)[:3]
    assert (best, counts[best]) == ((HH, HC), 12)
    assert (second, counts[second]) == ((49, 23), 6)
    assert counts[third] == 5
    assert counts[52, 47] == 0


@pytest.mark.parametrize(
    ("row", "tp", "tn"),
    [(("full", "ResNet"), 38, 34), (("full", "Q-Net"), 40, 36), (("crop", "Q-Net"), 42, 37)],
)
def test_rows_of_table_3_that_are_right(printed, row, tp, tn):
    whole = [100 * (tp + tn) / 95, 100 * tp / HH, 100 * tn / HC, weighted_f1(tp, tn, HH, HC)]
    assert np.round(whole, 2).tolist() == cell(printed, "3", *row, "accuracy", "sensitivity", "specificity", "f1")


def test_rows_of_table_3_that_are_wrong(printed):
    swapped = cell(printed, "3", "full", "ResNetSWA", "sensitivity", "specificity")
    assert swapped == [round(100 * 37 / HC, 2), pytest.approx(100 * 36 / HH, abs=0.01)]
    assert not explains(swapped[0], HH)
    assert round(weighted_f1(36, 37, HH, HC), 2) == 76.83
    assert [round(100 * 73 / 95, 2), round(100 * 35 / HC, 2), round(weighted_f1(38, 35, HH, HC), 2)] == [
        76.84,
        76.09,
        76.84,
    ]
    assert cell(printed, "3", "crop", "ResNet", "specificity") == [76.07]
    found = cell(printed, "3", "crop", "ResNetSWA", "sensitivity", "specificity", "f1")
    assert explains(printed["3", "crop", "ResNetSWA", "accuracy"], 95)
    for tp in range(HH + 1):  # no 77 right decisions come near the row, swapped or not
        rates = [100 * tp / HH, 100 * (77 - tp) / HC, weighted_f1(tp, 77 - tp, HH, HC)]
        for candidate in (rates, [rates[1], rates[0], rates[2]]):
            assert max(np.abs(np.subtract(candidate, found))) > 0.1
    assert np.round([weighted_f1(40, 37, HH, HC), weighted_f1(39, 38, HH, HC)], 2).tolist() == [81.05, 81.06]


def test_f1_is_the_weighted_mean(printed):
    positive, negative = 100 * 84 / (84 + 16), 100 * 74 / (74 + 16)
    assert np.round([positive, negative, (positive + negative) / 2], 2).tolist() == [84.00, 82.22, 83.11]
    for row in rows():
        accuracy, sensitivity, specificity, f1 = cell(
            printed, "1", *row, "accuracy", "sensitivity", "specificity", "f1"
        )
        P = HH / 95 if row == ("full", "ResNetSWA") else share(accuracy, sensitivity, specificity)
        assert weighted_f1(P * sensitivity / 100, (1 - P) * specificity / 100, P, 1 - P) == pytest.approx(f1, abs=0.025)


@pytest.mark.parametrize(
    ("row", "low", "high"),
    [
        (("full", "ResNet"), 0.520, 0.533),
        (("full", "ResNetSWA"), 0.500, 0.611),
        (("full", "Q-Net"), 0.515, 0.517),
        (("crop", "ResNet"), 0.524, 0.533),
        (("crop", "ResNetSWA"), 0.526, 0.528),
        (("crop", "Q-Net"), 0.515, 0.520),
    ],
)
def test_share_of_patients_among_the_images(printed, row, low, high):
    values = cell(printed, "1", *row, "accuracy", "sensitivity", "specificity")
    shares = [share(*np.add(values, corner)) for corner in product((-HALF, HALF), repeat=3)]
    assert (min(shares), max(shares)) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))
    assert f"{low:.3f} to {high:.3f}" in PAGE


def least_sd(printed: dict, row: tuple[str, str], P: float) -> float:
    sensitivity, specificity = cell(printed, "1", *row, "sd sensitivity", "sd specificity")
    return abs(P * sensitivity - (1 - P) * specificity)


def test_two_spreads_are_impossible(printed):
    impossible = {("full", "ResNetSWA"): (0.38, 0.23, 0.611), ("crop", "ResNetSWA"): (0.27, 0.26, 0.528)}
    for row in rows():
        accuracy = printed["1", *row, "sd accuracy"]
        bound = least_sd(printed, row, HH / 95)
        assert (bound - HALF > accuracy + HALF) == (row in impossible)
        if row in impossible:
            at_95, at_any, highest = impossible[row]
            assert round(bound, 2) == at_95
            assert round(least_sd(printed, row, highest), 2) == at_any > accuracy + 2 * HALF


def test_table_2_follows_from_its_rounded_cells():
    table = pd.read_csv(ROOT / "resources/paper_results.tsv", sep="\t", dtype={"table": str})
    pairs = table[table["table"] == "2"].pivot(index=["input", "model", "against"], columns="metric", values="value")
    assert len(pairs) == 6
    z = (pairs["auc_1"] - pairs["auc_2"]) / pairs["se"]
    assert np.allclose(z, pairs["z"], atol=6e-4)
    p = pd.Series(2 * norm.sf(pairs["z"]), pairs.index)
    misprinted = ("full", "ResNetSWA", "ResNet")
    assert np.allclose(p.drop(misprinted) / pairs["p"].drop(misprinted), 1, atol=0.04)
    assert (round(p[misprinted], 4), pairs["p"][misprinted]) == (0.0539, 0.0589)


def hanley_mcneil(auc: float, n1: int, n0: int) -> float:
    """Variance of an AUC of independent cases."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return (auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / (n1 * n0)


def test_standard_errors_and_the_number_of_slices():
    assert [round(hanley_mcneil(auc, HH, HC) ** 0.5, 3) for auc in (0.860, 0.875)] == [0.038, 0.036]
    per_image = [hanley_mcneil(auc, 100 * HH, 100 * HC) * 9500 for auc in (0.763, 0.747)]
    images = [(sum(per_image) - 2 * r * np.prod(per_image) ** 0.5) / 0.0083**2 for r in (0.70, 0.88)]
    assert images == [pytest.approx(2000, abs=10), pytest.approx(800, abs=10)]
    assert np.round(np.divide(images, 95)).tolist() == [21, 8]


@pytest.mark.parametrize("right", [79, 77, 76, 73, 72])
def test_wilson_intervals(right):
    low, high = wilson(right, 95, 0.95)
    assert f"{100 * right / 95:.1f} | {100 * low:.1f} to {100 * high:.1f} |" in PAGE


def test_mcnemar():
    def p(more: int, fewer: int) -> float:
        return binomtest(fewer, more + fewer, 0.5).pvalue

    assert min(p(2 + lost, lost) for lost in range(30)) == 0.5
    assert [f"{p(6 + lost, lost):.3f}" for lost in range(3)] == ["0.031", "0.070", "0.109"]


def test_accuracy_that_an_auc_means():
    accuracy = [norm.cdf(norm.ppf(auc) / np.sqrt(2)) for auc in (0.875, 0.860)]
    assert [f"{100 * value:.1f}" for value in accuracy] == ["79.2", "77.8"]


def test_slips_of_the_text(printed):
    def difference(table: str, first: tuple, second: tuple, metric: str = "accuracy") -> float:
        return round(printed[table, *first, metric] - printed[table, *second, metric], 2)

    assert difference("1", ("full", "Q-Net"), ("full", "ResNetSWA")) == 5.11
    assert difference("3", ("crop", "Q-Net"), ("crop", "ResNet")) == 6.32
    assert round(80.00 - 100 * 73 / 95, 2) == 3.16
    for row, gap in {("full", "Q-Net"): 10.55, ("crop", "ResNetSWA"): 13.49}.items():
        assert round(abs(np.diff(cell(printed, "1", *row, "sensitivity", "specificity"))[0]), 2) == gap
