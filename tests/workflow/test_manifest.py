"""Every table and figure of the manifest is computed, listed by its rule, shown, and described in the docs."""

import re
from pathlib import Path

import pytest

from qnet.evaluation import figure_set
from qnet.evaluation.evaluate import evaluate
from qnet.evaluation.manifest import EVALUATE, FIGURES, TABLES, figures_of, tables_of, tables_shown_in
from qnet.predictions import read_predictions
from tests.qnet.made_predictions import PARAMS, baselines, networks
from workflow.lib.report import cells, html, report_data
from workflow.lib.report.report_data import caption_of

ROOT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
PAGES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "report").glob("*.html.j2")))
DOCS = "\n".join(path.read_text() for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"])
CFG = {
    "participants": {"positive_label": "<b>HH</b>", "negative_label": "HC"},
    "evaluate": {"confidence": 0.95, "bootstrap": 50, "threshold": 0.5},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict:
    """All tables of a run with baselines, people and a variant."""
    folder = tmp_path_factory.mktemp("run")
    made = {"a": networks(), "b": baselines(), "v": networks(seed=5).assign(variant="qsm")}
    for name, table in made.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    people = networks().drop_duplicates("participant_id").set_index("participant_id")
    people = people.assign(age=range(40, 40 + len(people)), sex=["F", "M"] * (len(people) // 2), group="HC")
    people.loc[people["label"] == 1, "group"] = "HH"
    predictions = read_predictions(folder / "a.tsv", folder / "b.tsv")
    return evaluate(predictions, PARAMS, None, people, read_predictions(folder / "v.tsv"))


def rule(name: str) -> str:
    """The text of a rule."""
    return re.search(rf"^rule {name}:\n(?:.*\n)*?(?=^rule |\Z)", RULES, re.MULTILINE)[0]


def test_what_is_computed_is_in_the_manifest_and_the_other_way_round(tables):
    assert sorted(tables) == sorted(tables_of(EVALUATE))


@pytest.mark.parametrize("name", tables_of(EVALUATE))
def test_columns_that_a_reader_is_shown_are_computed(tables, name):
    shown = [column for column in TABLES[name].columns if column.name != "pair"]
    wanted = {column.name for column in shown} | {
        limit for column in shown if column.interval for limit in column.limits
    }
    wanted |= {f"{c.name}_sd" for c in shown if c.spread} | {f"{c.name}_count" for c in shown if c.count}
    wanted |= {column.stars for column in shown if column.stars}
    assert wanted <= set(tables[name].columns)


@pytest.mark.parametrize("name", [name for name in tables_of(EVALUATE) if TABLES[name].columns])
def test_every_row_can_be_shown(tables, name):
    rows = tables[name].to_dict("records")
    assert all(cells.cell(column, row).text for row in rows for column in cells.columns(name, rows))


def test_every_figure_can_be_drawn(monkeypatch, tables):
    drawn = []
    for module in (figure_set.roc_figures, figure_set.calibration_figures, figure_set.forest_figure):
        for function in ("roc", "roc_inputs", "auc_boxplot", "reliability", "decision_curve", "ablation"):
            monkeypatch.setattr(module, function, lambda path, **_: drawn.append(path), raising=False)
    figure_set.draw({name: name for name in figures_of(EVALUATE)}, None, tables, PARAMS, False)
    assert drawn == figures_of(EVALUATE)


@pytest.mark.parametrize(("kind", "rows"), [("table", TABLES), ("figure", FIGURES)])
def test_every_row_is_an_output_of_its_rule(kind, rows):
    assert f'{kind}s_of("{EVALUATE}"' in RULES
    for name, row in rows.items():
        file = f"{name}_{{input}}" if row.per_input else name
        assert row.made_by == EVALUATE or f'P.{kind}("{file}")' in rule(row.made_by).replace("RUN.paths", "P"), name


def test_the_page_shows_what_the_manifest_says():
    places = [*tables_shown_in("report"), *tables_shown_in("validation"), *tables_shown_in("repeatability")]
    single = {name for name in places if not TABLES[name].per_input}
    assert set(re.findall(r"\btables\.(\w+)", PAGES)) == single
    assert set(re.findall(r"\bcaptions\.(\w+)", PAGES)) == single
    assert set(re.findall(r"\bfigures\.(\w+)", PAGES)) == {name for name, row in FIGURES.items() if not row.per_input}


def test_figures_of_every_input_are_shown_with_the_table_of_their_name():
    files = [f"{name}_crop.png" for name, figure in FIGURES.items() if figure.per_input]
    cfg = CFG | {"runs": {"inputs": ["crop"]}}
    shown = report_data.explanations(files, {"slice_importance_crop": [{"weight": 1.0}]}, cfg)
    assert [one["picture"].path for one in shown] == files
    assert [bool(one["rows"]) for one in shown] == ["slice_importance" in file for file in files]


@pytest.mark.parametrize("name", [*TABLES, *FIGURES])
def test_the_docs_name_it(name):
    assert re.search(rf"`(?:tables/|figures/)?{name}(?:_<input>)?(?:\.tsv|\.png)?`", DOCS)


CAPTION = '{% import "macros.html.j2" as macros %}{{ macros.plain([{"a": 1}], caption) }}'


def test_captions_on_a_page_escape_what_comes_from_data():
    environment = html._environment(autoescape=True)
    for row in (*TABLES.values(), *FIGURES.values()):
        caption = caption_of(row.caption, CFG)
        page = environment.from_string(CAPTION).render(caption=caption)
        assert "<b>" not in page
        assert page.count("&lt;b&gt;") == caption.count("<b>")
    assert "95 % interval" in caption_of(TABLES["table3"].caption, CFG)
