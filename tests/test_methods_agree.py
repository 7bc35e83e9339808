"""A method of a stage has one home, and what must know it by name does."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.stages import stages
from recon.pipeline import STAGES
from recon.settings import arm, shipped
from tests.recon import test_background
from workflow.lib.report.methods import methods_text, references

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))["properties"]
COMMENTS = (ROOT / "config/config.yaml").read_text(encoding="utf-8")
PAGES = "\n".join(
    page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
)
TABLE = references()
EVERY = [(section, name) for section, stage in STAGES.items() for name in stage.methods]
METHOD = pytest.mark.parametrize(("section", "name"), EVERY, ids=[f"{section}-{name}" for section, name in EVERY])


def text(section, name, n_echoes=6):
    """The methods section of a run with that method, in one line."""
    cfg = dict(shipped())
    cfg[section] = cfg[section] | {STAGES[section].key: name}
    scan = {
        "te_s": [0.005 * (i + 1) for i in range(n_echoes)], "b0_tesla": 3.0, "b0_dir": [0.0, 0.0, 1.0],
        "voxel_size_mm": [1.0, 1.0, 2.0], "maps": {"desc-brain_mask": {"Tool": "builtin"}},
    }  # fmt: skip
    return methods_text(cfg, [scan], {"Q-Net": "1"}, False)


@pytest.mark.parametrize("section", STAGES)
def test_the_schema_knows_the_methods_of_the_registry(section):
    stage = STAGES[section]
    assert set(SCHEMA[section]["properties"][stage.key]["enum"]) == set(stage.methods)


@METHOD
def test_the_comment_in_the_config_names_it(section, name):
    block = COMMENTS.split(f"\n{section}:")[1]
    line = re.search(rf"^  {STAGES[section].key}: .*$", block, re.M)[0]
    assert re.search(rf"\b{name}\b", line)


@METHOD
def test_its_references_are_listed(section, name):
    assert set(STAGES[section].method(name).references) <= set(TABLE.index)


@METHOD
def test_the_methods_section_says_its_own_sentence(section, name):
    here, other = text(section, name), {text(section, n) for n in STAGES[section].methods if n != name}
    assert here not in other


@METHOD
def test_the_methods_section_cites_no_reference_of_another_method_only(section, name):
    method = STAGES[section].method(name)
    others = {key for other in STAGES[section].methods.values() for key in other.references} - set(method.references)
    elsewhere = {
        key for s, stage in STAGES.items() if s != section for m in stage.methods.values() for key in m.references
    }
    cited = text(section, name).split("## References")[1]
    assert not [key for key in others - elsewhere if f"doi:{TABLE.loc[key].doi}" in cited]


def test_the_methods_section_of_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="config local_field.method: expected one of sharp, .*, found magic"):
        text("local_field", "magic")


@METHOD
def test_the_benchmark_measures_it(section, name):
    arms = {pipeline: arm(shipped() | {"pipeline": pipeline}) for pipeline in ("paper", "consensus")}
    measured = {re.split(r"[ ,]", row.method)[0] for row in stages(arms) if row.stage == section}
    assert name in measured


@METHOD
def test_a_page_names_it(section, name):
    assert re.search(rf"`{name}`", PAGES)


def test_background_removal_states_how_good_each_method_must_be():
    assert set(test_background.QUALITY) == set(STAGES["local_field"].methods)
