"""Facts of a scan in words, as its page shows them."""

import numpy as np
import pytest

from workflow.lib.report.acquisition_table import acquisition_table, milliseconds, title
from workflow.lib.words import plain

FACTS = {
    "te_s": [0.0023, 0.0046],
    "b0_tesla": 3.0,
    "b0_dir": [0.0, -0.5, 0.8660254],
    "voxel_size_mm": [0.601093, 0.6, 2],
}


def test_table_tells_geometry_times_and_units():
    table = acquisition_table(FACTS, np.array([[-0.6, 0, 0, 9], [0, 0, 2.0, 9], [0, 0.6, 0, 9], [0, 0, 0, 1.0]]))
    assert table["Echo times"] == "2.3 and 4.6 ms"
    assert table["Voxel"] == "0.601 × 0.6 × 2 mm"
    assert table["Voxel axes"] == "LSA: towards left, superior, anterior"
    assert table["B0 in voxel axes"] == "0, -0.5, 0.866: 30.0° off the nearest axis"
    assert table["Flip angle"] is None


def test_table_tells_decisions_in_words_and_leaves_notes_to_the_warnings():
    decisions = {"PhaseUnits": "rad: stated", "ChopAxis": None, "SignFactor": -1, "Notes": ["zero-filled"]}
    table = acquisition_table(FACTS | {"decisions": decisions}, np.eye(4))
    assert table["Phase units"] == "rad: stated"
    assert not table.keys() & {"Chop axis", "Sign factor", "Notes"}


@pytest.mark.parametrize(
    ("te_s", "text"),
    [([0.02], "20 ms"), ([0.0074] * 2, "7.4 and 7.4 ms"), ([0.005, 0.01, 0.0151], "5, 10 and 15.1 ms")],
)
def test_echo_times_read_as_prose(te_s, text):
    assert milliseconds(te_s) == text


def test_numbers_have_no_exponents_and_titles_no_humps():
    assert plain([3e-4, 1445.0, 0.30000001]) == ["0.0003", "1445", "0.3"]
    assert (title("PhaseUnits"), title("Form")) == ("Phase units", "Form")
