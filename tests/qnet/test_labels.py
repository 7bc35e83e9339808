"""One wording says that data are simulated and that nothing here is for patients."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from qnet.figures import save
from qnet.labels import RESEARCH_USE, SYNTHETIC
from recon.phantom import bids
from workflow.lib.record import derivative

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted(
    p for folder in ("recon", "qnet", "workflow", "docs", "benchmarks", "config")
    for e in ("py", "j2", "smk", "md") for p in (ROOT / folder).rglob(f"*.{e}")
)]  # fmt: skip
WANTED = r"\s+".join(map(re.escape, RESEARCH_USE.split()))
OTHER = [
    re.compile(rf"(?!{WANTED})research\s+use\s+only", re.IGNORECASE),
    re.compile(r"SYNTHETIC(?: (?!DATA\b)[A-Za-z]|[:;*])"),
]


@pytest.mark.parametrize("other", OTHER, ids=["research use", "synthetic"])
def test_there_is_one_wording(other):
    text_of = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
    assert {name: found for name, text in text_of.items() if (found := other.findall(text))} == {}


def test_the_phantom_has_the_same_labels():
    assert (bids.SYNTHETIC, bids.RESEARCH_USE) == (SYNTHETIC, RESEARCH_USE)


@pytest.mark.parametrize("text", [bids.README, derivative.README, derivative.ABOUT])
def test_datasets_say_what_they_are_for(text):
    assert RESEARCH_USE in text


@pytest.mark.parametrize("name", [bids.RAW_DESCRIPTION["Name"], bids.README, derivative.name_of(simulated=True)])
def test_simulated_datasets_say_so_first(name):
    assert name.removeprefix("# ").startswith(f"{SYNTHETIC}: ")


@pytest.mark.parametrize("title", ["", "Weight of slices"])
@pytest.mark.parametrize("synthetic", [True, False])
def test_every_figure_says_what_it_is(tmp_path, title, synthetic):
    figure = Figure(layout="constrained")
    save(tmp_path / "a.png", figure, synthetic, title, note=title)
    assert (SYNTHETIC in figure.get_suptitle()) == synthetic
    assert RESEARCH_USE in figure.get_supxlabel()
