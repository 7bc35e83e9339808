"""Figures are drawn from whatever predictions hold, and say what they are."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from qnet.evaluation import forest_figure
from qnet.evaluation.cases import split_cases
from qnet.evaluation.contrasts import comparison_table
from qnet.evaluation.evaluate import evaluate
from qnet.evaluation.figure_set import draw
from qnet.evaluation.manifest import figures_of
from qnet.evaluation.roc_figures import looks
from qnet.labels import RESEARCH_USE, SYNTHETIC
from qnet.predictions import read_predictions
from tests.qnet.made_predictions import PARAMS, baselines, networks


def save(folder: Path, name: str, table: pd.DataFrame) -> Path:
    table.to_csv(folder / name, sep="\t", index=False)
    return folder / name


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """Predictions and tables of a run with baselines and two variants."""
    folder = tmp_path_factory.mktemp("run")
    predictions = read_predictions(save(folder, "a.tsv", networks()), save(folder, "b.tsv", baselines()))
    names = ("qsm", "attention")
    variants = pd.concat([networks(seed=seed).assign(variant=name) for seed, name in enumerate(names, start=5)])
    variants = read_predictions(save(folder, "v.tsv", variants))
    return predictions, evaluate(predictions, PARAMS, variants=variants)


@pytest.fixture
def texts(monkeypatch) -> dict[str, list[str]]:
    """Everything that is written on each figure, by the name of its file."""
    written: dict[str, list[str]] = {}
    real = Figure.savefig

    def spy(figure: Figure, path, **options) -> None:
        found = figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_visible())
        written[Path(path).stem.split(".partial.")[-1]] = [artist.get_text() for artist in found]
        real(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return written


def draw_all(folder: Path, predictions, tables, synthetic: bool = False) -> dict[str, Path]:
    paths = {name: folder / f"{name}.png" for name in figures_of("evaluate")}
    draw(paths, predictions, tables, PARAMS, synthetic)
    return paths


def test_every_figure_of_a_full_run_says_what_it_is(full_run, tmp_path, texts):
    paths = draw_all(tmp_path, *full_run, synthetic=True)
    for name, path in paths.items():
        picture = matplotlib.image.imread(path)
        assert picture.shape[0] > 300 and np.ptp(picture[..., :3]) == 1, name
        assert {SYNTHETIC, RESEARCH_USE} <= set(texts[name]), name
    assert any("Background only" in text for text in texts["roc_scan"])
    assert any("full input, AUC" in text for text in texts["roc_image_inputs"])
    assert {"treat all", "treat nobody"} <= set(texts["decision_curves"])
    assert "qsm, full" in texts["ablation_forest"]


def test_a_table_without_inputs_and_baselines_is_enough(tmp_path, texts):
    bare = networks(inputs=1).drop(columns=["input", "seed", "fold"])
    predictions = read_predictions(save(tmp_path, "bare.tsv", bare))
    paths = draw_all(tmp_path, predictions, evaluate(predictions, PARAMS))
    assert all(path.stat().st_size > 1000 for path in paths.values())
    assert "nothing to draw" in texts["ablation_forest"]
    assert not any(SYNTHETIC in written for written in texts.values())


def test_only_figures_with_a_path_are_drawn(full_run, tmp_path):
    draw({"roc_scan": tmp_path / "roc_scan.png"}, *full_run, PARAMS, False)
    assert [path.name for path in tmp_path.iterdir()] == ["roc_scan.png"]


def test_a_comparison_of_two_runs_names_them(tmp_path, texts):
    runs = [read_predictions(save(tmp_path, f"{seed}.tsv", networks(seed=seed))) for seed in (0, 1)]
    groups = [[cases for level in ("image", "scan") for cases in split_cases(run, level)] for run in runs]
    table = comparison_table(*groups, ("paper", "consensus"), PARAMS)
    forest_figure.comparison(tmp_path / "comparison.png", table)
    assert "difference in AUC, paper − consensus" in texts["comparison"]


def test_no_two_models_of_a_panel_look_alike():
    models = ["ResNet", "ResNet mean P", "ResNetSWA", "ResNetSWA mean P", "Q-Net", "Hybrid", "A", "B"]
    assert len(set(looks(models).values())) == len(models)
