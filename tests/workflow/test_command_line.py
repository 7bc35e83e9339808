"""A value of `--config` means what it would mean in a configuration file; none of them is lost."""

import re
import shlex
import subprocess

import pytest

from recon.problems import as_yaml, config_line, to_type
from tests.workflow.warm import command, listed_jobs
from workflow.cli.snakemake import with_snakefile
from workflow.lib.setup.command_line import value_of, with_words
from workflow.lib.setup.options import check_dotted, check_repeated


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("dataset=2024", "2024"),
        ("dataset=007", "007"),
        ("dataset=1e3", "1e3"),
        ("dataset=true", "true"),
        ("bids_dir=null", None),
        ("bids_dir=", None),
        ("bids_dir=/data/a study #2 {x}", "/data/a study #2 {x}"),
        ("model='null'", "null"),
        ("prepare_echoes={phase_range: [-4096, 4095.5]}", {"phase_range": [-4096, 4095.5]}),
        ("prepare_echoes={'phase_range': null, 'phase_sign': -1}", {"phase_range": None, "phase_sign": -1}),
        ("unwrap_phase={align_echoes: false, trim_echo: 3}", {"align_echoes": False, "trim_echo": 3}),
        ("train_image_model={learning_rate: 3e-4}", {"learning_rate": 3e-4}),
        ("participants={positive_label: 1, negative_label: no}", {"positive_label": 1, "negative_label": "no"}),
        ("participants={positive_labels: [010, '1', 1.5]}", {"positive_labels": ["010", "1", 1.5]}),
        ("select={participants: [01, 02], filters: {run: 1}}", {"participants": ["01", "02"], "filters": {"run": 1}}),
        ("select={acq: 1e3, ce: 10, rec: [010, a]}", {"acq": "1e3", "ce": 10, "rec": ["010", "a"]}),
        ("derivatives=/data/masks", "/data/masks"),
        ("derivatives={masks: /data/1, T1: /data/2}", {"masks": "/data/1", "T1": "/data/2"}),
        ("variants={few: {folds: {folds: 3}}}", {"few": {"folds": {"folds": 3}}}),
    ],
)
def test_a_value_is_what_the_schema_allows_in_its_place(word, value):
    key, _, text = word.partition("=")
    found = value_of(key, text)
    assert found == value and repr(found) == repr(value)


def test_a_value_that_nothing_allows_stays_for_the_schema_to_refuse():
    assert value_of("folds", "{folds: many}") == {"folds": "many"}


def test_what_a_message_prints_means_to_bash_what_was_meant():
    texts = ["a b", "it's", 'a"b', "$HOME", "`id`", "a!b", "a\\b", "a: b, c", "#1", "{x}", "null", "010", "1e3", "é"]
    lines = [to_type("combat.reference_site", as_yaml(text)) for text in texts]
    lines += [config_line(f"bids_dir=/{text}") for text in texts]
    typed = subprocess.check_output(["bash", "-c", f"printf '%s\\n' {' '.join(lines)}"], text=True)
    words = [word.partition("=") for word in typed.splitlines() if word != "--config"]
    found = [value_of(key, text) for key, _, text in words]
    assert found == [{"reference_site": text} for text in texts] + [f"/{text}" for text in texts]


def test_brackets_that_do_not_close_are_refused():
    with pytest.raises(ValueError, match=r"expected YAML as --config folds, found \{folds: 3"):
        value_of("folds", "{folds: 3")


def test_words_change_their_keys_alone():
    config = {"folds": {"folds": "3", "seed": 0}, "dataset": 7, "runs": {"seeds": ["1"]}}
    words = ["folds={folds: 3}", "dataset=007", "runs={seeds: [1, 2]}"]
    assert with_words(config, words) == {"folds": {"folds": 3, "seed": 0}, "dataset": "007", "runs": {"seeds": [1, 2]}}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--config", "a=1", "--cores", "2", "--config", "b=x y", "--", "maps"], "--config a=1 'b=x y'"),
        (["-C", "a=1", "--config=b=2"], "--config a=1 b=2"),
        (["-Ca=1", "-C", "b=2", "c=3"], "--config a=1 b=2 c=3"),
        (["--configfile", "x.yaml", "--configfiles", "y.yaml"], "--configfile x.yaml y.yaml"),
    ],
)
def test_an_option_given_twice_is_refused_with_the_words_that_work(words, line):
    with pytest.raises(ValueError, match=f"found it 2 times: write {line}$"):
        check_repeated(words)


def test_options_given_once_pass():
    check_repeated(["--configfile", "x.yaml", "y.yaml", "--config", "a=1", "b=2", "-c", "2", "-C=1"][:-1])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--config", "dataset=a b", "local_field.radius_mm=8"], "--config 'dataset=a b' 'local_field={radius_mm: 8}'"),
        (["-n", "-Cfolds.folds=3"], "--config 'folds={folds: 3}'"),
        (["--config", "variants.few.folds.folds=3", "--", "maps"], "--config 'variants={few: {folds: {folds: 3}}}'"),
    ],
)
def test_a_setting_with_a_point_is_refused_with_the_words_that_work(words, line):
    with pytest.raises(SystemExit, match=f"write {re.escape(line)}$"):
        with_snakefile(words)
    key, _, text = shlex.split(line)[-1].partition("=")
    assert isinstance(value_of(key, text), dict), "what is printed is not understood"


def test_points_in_values_are_no_settings():
    check_dotted(["--config", "bids_dir=/a.b=c", "dataset=v1.2", "--configfile", "a.b=1.yaml", "--directory", "x.y=1"])


def test_a_plan_takes_settings_inside_sections(project):
    few = ["simulate={subjects: 4, te_s: [0.005, 0.015]}", "folds={folds: 2}", "prepare_echoes={phase_range: [-4, 4]}"]
    status, text = command(project, "snakemake", "-n", "--cores", "1", "--config", "dataset=2024", *few, "--", "maps")
    assert status == 0, text[-2000:]
    assert listed_jobs(text)["prepare_echoes"] == 4


def test_a_plan_refuses_a_second_config_before_anything_else(project):
    status, text = command(project, "snakemake", "-n", "--cores", "1", "--config", "dataset=a", "--config", "model=b")
    assert status == 1 and "write --config dataset=a model=b" in text
