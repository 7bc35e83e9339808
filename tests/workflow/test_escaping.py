"""Texts of others on pages and in Markdown: shown as they are, never taken for markup."""

import copy
import json
import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pandas as pd
import pytest
import yaml
from jinja2 import nodes

from recon.problems import Problem
from recon.settings import arm
from tests.workflow.test_methods import acquisition
from workflow.lib.report.group import MEASURES, group_of
from workflow.lib.report.html import TEMPLATES, filled, filled_markdown, script
from workflow.lib.report.methods import methods_text
from workflow.lib.report.model_card import card_text
from workflow.lib.study.check_table import FACTS, REASONS, STATUSES, Record, write_html
from workflow.lib.study.ratings import WORDS
from workflow.scripts import checklist, report

NASTY = """<script>alert("x")</script>' onerror="alert(1)" &lt;b> `c` a|b [x](javascript:y)"""
PAGES = sorted(path.name for path in TEMPLATES.glob("*.html.j2"))
ATTRIBUTES = {
    "alt",
    "aria-label",
    "charset",
    "class",
    "colspan",
    "content",
    "href",
    "id",
    "lang",
    "name",
    "open",
    "role",
    "src",
    "style",
    "tabindex",
}
OF_THE_VIEWER = {  # of its controls and of the files that it opens
    *("aria-label", "data-further", "data-images", "data-program"),
    *("hidden", "max", "min", "step", "type", "value"),
}
OF_THE_STUDY = {  # of forms, sorted tables and drawings
    *(
        "aria-label",
        "aria-sort",
        "autocomplete",
        "for",
        "label",
        "placeholder",
        "scope",
        "selected",
        "size",
    ),
    *("data-participant", "data-run", "data-session", "data-sort", "data-text", "type", "value"),
    *("cx", "cy", "fill", "fill-opacity", "height", "r", "stroke", "stroke-width", "transform", "viewbox", "width"),
    *("x", "x1", "x2", "y", "y1", "y2"),
}
KEPT = {
    "primary",
    "Q-Net",
    "in_sample",
    "TRIPOD+AI",
    "CLAIM 2024",
    "PROBAST+AI",
    *STATUSES,
}  # what templates compare or look up
WORD = re.compile("[a-z][a-z0-9_]*")
CONFIG = arm(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))


class Markup(HTMLParser):
    """Elements, attributes and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements, self.attributes, self.links = set(), set(), []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src")]


def assert_tame(html: str, least: int, attributes: set[str] = ATTRIBUTES) -> None:
    """The hostile text stands on the page, `least` times at least, and none of it is markup."""
    assert html.count("&lt;script&gt;") >= least
    assert NASTY not in html and "<script" not in html
    page = Markup(html)
    assert "script" not in page.elements
    assert page.attributes <= attributes
    assert not any(link.lower().startswith("javascript:") for link in page.links)


def poisoned(value: object) -> object:
    """A copy with the hostile text behind every text that comes from outside, in keys and cells too."""
    if isinstance(value, str):
        return value if value in KEPT or Path(value[:200]).is_file() else value + NASTY
    if isinstance(value, dict):
        return {key if _known(key) else poisoned(key): poisoned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(poisoned, value))
    if isinstance(value, pd.DataFrame):
        return value.map(poisoned).assign(**{NASTY: NASTY})
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**poisoned(vars(value)))
    if is_dataclass(value):
        return replace(value, **{field.name: poisoned(getattr(value, field.name)) for field in fields(value)})
    return value


def _known(key: object) -> bool:
    """Whether a template knows a key by its name."""
    return not isinstance(key, str) or key in KEPT or WORD.fullmatch(key) is not None


@pytest.fixture
def poison(monkeypatch):
    """Every template gets poisoned content."""
    render = jinja2.Template.render
    monkeypatch.setattr(jinja2.Template, "render", lambda self, **content: render(self, **poisoned(content)))


# how templates are written


@pytest.mark.parametrize("name", PAGES)
def test_nothing_but_constants_is_called_safe(name):
    environment = jinja2.Environment()
    tree = environment.parse((TEMPLATES / name).read_text())
    for mark in tree.find_all(nodes.Filter):
        assert mark.name != "safe" or isinstance(mark.node, nodes.Const), mark.lineno
    assert not list(tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier, nodes.MarkSafe)))


@pytest.mark.parametrize("name", PAGES)
def test_values_stand_in_text_or_quoted_attributes_alone(name):
    text = (TEMPLATES / name).read_text()
    assert "<script" not in text
    assert not re.search(r"\w=\{\{", text), "an attribute without quotes"
    assert not re.search(r"\son\w+\s*=", text), "an attribute that runs code"
    assert not any("{{" in style for style in re.findall(r"<style>.*?</style>", text, re.S))
    assert not any("{{" in style for style in re.findall(r'style="[^"]*"', text))


# pages of a finished run, with hostile texts wherever a text is


@pytest.fixture(scope="module")
def about(tiny):
    """What the scripts of pages ask for."""
    results, cfg = tiny / "results/tiny", CONFIG | yaml.safe_load((tiny / "config/config.yaml").read_text())
    return SimpleNamespace(
        results=results,
        cfg=arm(cfg) | {"dataset": "tiny"},
        folds=str(results / "qnet/folds.tsv"),
        tables=sorted(map(str, results.glob("tables/*.tsv"))),
        flow={
            "groups": ["HC", "HH"],
            "steps": [
                {"name": name, "counts": {"HC": 2, "HH": 2}, "reasons": {"sub-09": ["no age"]}}
                for name in ("Found", "Left out", "Diagnosed")
            ],
        },
    )


def test_the_report_escapes(about, poison, tmp_path):
    report.main(
        tables=about.tables, figures=sorted(map(str, about.results.glob("figures/*.png"))), folds=about.folds,
        pages=["sub-01.html"], example=[], warnings=sorted(map(str, about.results.glob("work/*_warnings.json"))),
        report=str(tmp_path / "report.html"), cfg=about.cfg, synthetic=True, flow=about.flow, beside=["methods.md"],
        versions={"Q-Net": "1", "numpy": "2"},
    )  # fmt: skip
    assert_tame((tmp_path / "report.html").read_text(), least=500)


def test_the_checklists_escape(about, poison, tmp_path):
    places = {"table": str(tmp_path / "checklist.tsv"), "page": str(tmp_path / "checklist.html")}
    checklist.main(
        about.tables,
        **places,
        folds=about.folds,
        cfg=about.cfg,
        synthetic=True,
        flow=about.flow,
        versions={"Q-Net": "1"},
    )
    assert_tame((tmp_path / "checklist.html").read_text(), least=200)


def test_the_page_of_a_scan_escapes(about):
    """Its one script is that of the viewer, word for word."""
    sidecars = {"Nuclei": {"Tool": "user", "Note": "x"}, "Chimap": {"Units": "ppm", "EchoTimes": [1, "2"]}}
    picture = SimpleNamespace(title="χ", caption="of echo 1", png=b"")
    content = {
        "scan": "sub-01", "synthetic": False, "broken": ["Broken map"], "warnings": ["Phase sign"],
        "pictures": {"Maps": [picture]}, "least_confidence": 0.5,
        "stats": pd.read_csv(next(about.results.glob("derivatives/qnet/sub-01/anat/*_stats.tsv")), sep="\t"),
        "facts": {"Brain volume": 1200.0}, "notes": ("Two echoes",),
        "inputs": {"Phase units": "Siemens"}, "sidecars": sidecars, "zero": "Zero is the mean",
    }  # fmt: skip
    html, own = filled("subject.html.j2", **poisoned(content)), str(script("viewer.js"))
    assert html.count(own) == 1
    assert_tame(html.replace(own, ""), least=20, attributes=ATTRIBUTES | OF_THE_VIEWER)


def test_the_page_of_a_prediction_escapes(about):
    model = json.loads((about.results / "qnet/model.json").read_text())
    outcome = {"model": "Q-Net", "input": "crop", "decision": "HH", "uncertain": "near", "decides": True, "networks": 2}
    outcome |= dict.fromkeys(("probability", "sd", "low", "high", "threshold"), 0.5)
    z = {"region": "putamen", "map": "chi_ppm", "unit": "ppm", "adjusted": True}
    judged = SimpleNamespace(
        outcomes=pd.DataFrame([outcome]), z=pd.DataFrame([z | dict.fromkeys(("value", "expected", "sd", "z"), 0.5)]),
        cautions=["c"], unlike=["u"], notes=["n"], age=50.0,
    )  # fmt: skip
    content = {"scan": "sub-01", "synthetic": False, "model": model, "judged": judged, "maps": ["m"]}
    content |= {"confounds": ["f"]}
    pictures = {"scores": b"", "evidence": b"", "z": b""}
    assert_tame(filled("prediction.html.j2", **poisoned(content), pictures=pictures), least=20)


def test_the_page_of_the_study_escapes():
    """Its one script is that of the project, word for word."""
    pages = [
        {"scan": f"sub-{number}{NASTY}", "warnings": [NASTY], "broken": number == 1,
         "facts": {measure.fact: 1000.0 * (number == 1) for measure in MEASURES if measure.fact}}
        for number in range(9)
    ]  # fmt: skip
    given = {page["scan"]: {"rating": "fail", "reason": NASTY} for page in pages}
    about = {"limit": 3.5, "least_scans": 8, "words": WORDS, "dataset": NASTY, "synthetic": False}
    html = filled("group.html.j2", group=group_of(pages), ratings=given, **about)
    assert html.count(str(script("group.js"))) == 1
    assert_tame(html.replace(str(script("group.js")), ""), least=100, attributes=ATTRIBUTES | OF_THE_STUDY)


def test_the_check_escapes(tmp_path):
    problem = Problem(NASTY, NASTY, NASTY)
    records = [
        Record(name="sub-01", status=status, group=NASTY, facts=dict.fromkeys(FACTS, NASTY), notes=(NASTY,),
               reasons=dict.fromkeys(REASONS, NASTY), problems=(problem,), table_problems=(problem,))
        for status in STATUSES
    ]  # fmt: skip
    write_html(records, tmp_path / "check.html", NASTY)
    assert_tame((tmp_path / "check.html").read_text(), least=100)


# Markdown


def assert_tame_markdown(text: str, least: int) -> None:
    """No HTML, link, code or cell begins in the hostile text; CommonMark takes a character after \\ as it is."""
    assert text.count("&lt;script&gt;") >= least
    assert not re.search(r"<[a-zA-Z/!]", text)
    assert "](" not in text
    assert not re.search(r"(?<!\\)`c`", text) and not re.search(r"(?<!\\)a\|b", text)


def test_the_methods_escape():
    cfg = copy.deepcopy(CONFIG) | {"dataset": NASTY}
    told = {"Manufacturer": NASTY, "PhaseUnits": NASTY + ".\n\n# Heading\n\n" + NASTY, NASTY: NASTY}
    scan = acquisition(decisions=told, maps={"desc-brain_mask": {"Tool": NASTY}})
    text = methods_text(cfg, [scan], {"Q-Net": NASTY, NASTY: NASTY}, True)
    assert_tame_markdown(text, least=6)
    assert "\n# Heading" not in text


def test_the_model_card_escapes(about):
    bundle = json.loads((about.results / "qnet/model.json").read_text())
    assert_tame_markdown(card_text(poisoned(bundle)), least=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p < 0.05 & more", "p &lt; 0.05 &amp; more"),
        ("a|b", r"a\|b"),
        ("`touch x`", r"\`touch x\`"),
        ("[x](y)", r"[x]\(y)"),
        ("\\[x](y)", r"\\[x]\(y)"),
        ("one\ntwo", "one two"),
        ("2-D [ppm] R2* sub_01", "2-D [ppm] R2* sub_01"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text, shown, monkeypatch):
    monkeypatch.setattr(jinja2, "FileSystemLoader", lambda folder: jinja2.DictLoader({"t": "{{ x }}"}))
    assert filled_markdown("t", x=text) == shown
