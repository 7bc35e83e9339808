"""Methods are looked up by name, get their own settings and inputs, and nothing else."""

import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.combine import combine_echoes
from recon.grid import Grid
from recon.mask import choose_tool
from recon.needs import LEAST_ECHOES, NEEDS
from recon.pipeline import STAGES
from recon.registry import NOTHING, Method, Stage, always, keywords, look_up, taken
from recon.settings import defaults, shipped
from recon.unwrap.bipolar import odd_even
from tests.recon.physics import GRID, acquisition

MASK = np.ones((4, 5, 6), bool)
FIELD = np.zeros(MASK.shape, np.float32)
ECHOES = np.ones((*MASK.shape, 6), np.float32)
SCAN = acquisition()
TE_S = np.array(SCAN.te_s)
ARRAYS = {
    "unwrap_phase": (ECHOES, MASK, TE_S),
    "r2star_map": (ECHOES, MASK, TE_S),
    "field_mapping": (ECHOES, ECHOES, MASK, SCAN),
    "local_field": (FIELD, MASK, GRID),
    "dipole_inversion": (FIELD, MASK, GRID),
}
EVERY = [(stage, name) for stage in STAGES.values() for name in stage.methods]
METHOD = pytest.mark.parametrize(("stage", "name"), EVERY, ids=[f"{s.section}-{name}" for s, name in EVERY])


def halved(field_ppm, mask, *, magnitude=None, threshold=0.5, workers=1):
    """A method for these tests."""
    return field_ppm / 2, magnitude, threshold, workers


def plain(field_ppm, mask):
    return field_ppm


TOY = Stage(
    section="local_field",
    methods={
        "halved": Method(run=halved, sentence='by {{ cite("a2001", "b2002") }} and {{ cite("a2001") }}'),
        "seen": Method(run=halved, sentence="", needs=always("magnitude")),
        "plain": Method(run=plain, sentence=""),
    },
)


@pytest.mark.parametrize("section", STAGES)
def test_an_unknown_method_is_refused_with_those_that_exist(section):
    stage = STAGES[section]
    expected = f"config {section}.{stage.key}: expected one of {', '.join(stage.methods)}, found magic"
    with pytest.raises(ValueError, match=expected):
        stage.run("magic", *ARRAYS[section], settings={})
    with pytest.raises(ValueError, match=expected):
        stage.chosen(defaults(section) | {stage.key: "magic"})
    with pytest.raises(ValueError, match=expected):
        stage.needs(defaults(section) | {stage.key: "magic"})


@pytest.mark.parametrize(
    ("setting", "call"),
    [
        ("dipole_inversion.truncation", lambda run: run("dipole_inversion", "tkd", truncation="magic")),
        ("dipole_inversion.structure", lambda run: run("dipole_inversion", "iterative_tkd", structure="magic")),
        ("dipole_inversion.tv_prior", lambda run: run("dipole_inversion", "tv", tv_prior="magic")),
        ("field_mapping.offset", lambda run: run("field_mapping", "separate", offset="magic")),
        ("field_mapping.offset", lambda run: run("field_mapping", "together", offset="magic")),
        ("field_mapping.bipolar", lambda run: run("field_mapping", "together", bipolar="magic")),
        ("field_mapping.bipolar", lambda run: odd_even(ECHOES, None, MASK, TE_S, "magic")),
        ("combine_echoes.reference", lambda run: combine_echoes(FIELD, ECHOES, MASK, TE_S, reference="magic")),
        ("brain_mask.tool", lambda run: choose_tool("magic")),
    ],
)
def test_any_other_unknown_name_is_refused_as_well(setting, call):
    def run(section, method, **settings):
        return STAGES[section].run(method, *ARRAYS[section], settings=settings)

    with pytest.raises(ValueError, match=f"config {setting}: expected one of .*, found magic"):
        call(run)


@METHOD
def test_a_setting_of_another_method_is_refused(stage, name):
    with pytest.raises(ValueError, match=f"config {stage.section}: expected .*settings of {name}.*, found fuel"):
        stage.run(name, *ARRAYS[stage.section], settings={"fuel": 1})


@METHOD
def test_parameters_are_settings_inputs_or_threads(stage, name):
    method = stage.method(name)
    inputs = set(keywords(method.run)) - set(stage.parameters(name)) - {"workers"}
    values = [defaults(stage.section) | shipped()["consensus"].get(stage.section, {}), defaults(stage.section)]
    assert inputs == {need for section in values for need in method.needs(section)}


def test_a_section_of_all_methods_is_cut_to_the_chosen_one():
    section = defaults("local_field") | {"method": "halved"}
    assert TOY.chosen(section) == {"method": "halved", "threshold": section["threshold"]}
    assert TOY.chosen(section | {"method": "plain"}) == {"method": "plain"}


def test_a_method_gets_the_inputs_that_it_needs_and_no_others():
    inputs = {"magnitude": ECHOES, "workers": 3}
    assert TOY.run("halved", FIELD, MASK, settings={"threshold": 0.1}, **inputs)[1:] == (None, 0.1, 3)
    assert TOY.run("seen", FIELD, MASK, settings={}, **inputs)[1] is ECHOES
    assert TOY.run("plain", FIELD, MASK, settings={}, **inputs) is FIELD


def test_references_are_those_that_the_sentence_cites():
    assert TOY.method("halved").references == ("a2001", "b2002")


@METHOD
def test_the_rules_are_told_the_needs_of_the_registry(stage, name):
    assert stage.method(name).needs is NEEDS.get(stage.section, {}).get(name, NOTHING)


def test_every_method_of_r2star_says_from_how_many_echoes_it_works():
    assert LEAST_ECHOES.keys() == STAGES["r2star_map"].methods.keys()


def test_needs_are_those_of_methods_that_exist():
    assert all(set(needs) <= set(STAGES[section].methods) for section, needs in NEEDS.items())


def test_needs_follow_the_settings():
    inversion = STAGES["dipole_inversion"]
    section = defaults("dipole_inversion")
    assert inversion.needs(section | {"method": "tkd"}) == set()
    assert inversion.needs(section | {"method": "iterative_tkd", "structure": "chi"}) == set()
    assert inversion.needs(section | {"method": "iterative_tkd", "structure": "r2star_or_chi"}) == {"r2star_hz"}
    assert inversion.needs(section | {"method": "tv", "tv_prior": "none"}) == {"precision"}
    assert inversion.needs(section | {"method": "tv", "tv_prior": "tissue"}) == {"precision", "magnitude"}


def test_a_function_takes_its_keywords_only():
    assert taken(halved, {"threshold": 0.1, "radius_mm": 3, "field_ppm": 0}) == {"threshold": 0.1}
    assert look_up({"a": 1}, "a", "x.y") == 1


def test_the_defaults_are_not_changed_by_a_caller():
    defaults("local_field")["radius_mm"] = -1
    assert defaults("local_field")["radius_mm"] > 0


@pytest.mark.parametrize(
    ("size", "direction", "message"),
    [
        ((1, 1), (0, 0, 1), "voxel size: expected three positive mm"),
        ((1, 1, 0), (0, 0, 1), "voxel size: expected three positive mm"),
        ((1, 1, 1), (0, 0, 2), "B0 direction: expected a unit vector"),
        ((1, 1, 1), (0, 1), "B0 direction: expected a unit vector"),
        ((1, 1, 1), (0, 0, np.nan), "B0 direction: expected a unit vector"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(size, direction, message):
    with pytest.raises(ValueError, match=message):
        Grid(size, direction)


def test_a_grid_takes_any_three_numbers_and_compares_by_value():
    assert Grid([1, 1, 2]) == Grid(np.array([1.0, 1.0, 2.0]), (0, 0, 1))
    assert hash(Grid((1, 1, 2))) == hash(Grid([1, 1, 2]))
    scan = Acquisition(te_s=(0.01,), b0_tesla=3.0, b0_dir=(0.0, 0.6, 0.8), voxel_size_mm=(1.0, 1.0, 2.0))
    assert scan.grid == Grid((1, 1, 2), (0, 0.6, 0.8))
