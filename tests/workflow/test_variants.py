"""Variants of the learning: what they change, and which of them share image models."""

from types import SimpleNamespace

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from workflow.lib.setup.learning_inputs import LearningInputs
from workflow.lib.setup.paths import Paths
from workflow.lib.setup.variants import MAIN, image_run, merged, runs
from workflow.lib.study.applied import site_bound
from workflow.lib.study.study import dealing


@pytest.fixture(scope="module")
def config(repository) -> dict:
    return yaml.safe_load((repository / "config/config.yaml").read_text())


def of(config: dict, *names: str, **changes) -> dict[str, dict]:
    return runs(merged(config, {"runs": {"variants": list(names)}, **changes}))


def test_the_main_run_has_no_folder_of_its_own(config):
    assert list(of(config, "qsm")) == [MAIN, "variants/qsm/"]


def test_a_variant_changes_what_it_names_and_nothing_else(config):
    main, qsm = of(config, "qsm").values()
    assert qsm["normalise"] == main["normalise"] | {"channels": ["QSM"]}
    assert {key for key in main if main[key] != qsm[key]} == {"normalise"}


def test_quantitative_preprocessing_reaches_every_run(config):
    main, qsm = of(config, "qsm", preprocessing="quantitative").values()
    assert main["normalise"]["method"] == qsm["normalise"]["method"] == "window"
    assert main["train_image_model"]["augmentation"]["gamma"] == 0


def test_a_variant_of_stage_2_uses_the_image_models_of_the_main_run(config):
    found = of(config, "attention", "qsm", "permuted")
    assert {place: image_run(found, place) for place in found} == {
        MAIN: MAIN,
        "variants/attention/": MAIN,
        "variants/qsm/": "variants/qsm/",
        "variants/permuted/": "variants/permuted/",
    }


def test_harmonised_windows_have_image_models_of_their_own(config):
    found = of(config, "by_site", "quantitative", preprocessing="quantitative")
    assert image_run(found, "variants/by_site/") == "variants/by_site/"
    assert image_run(found, "variants/quantitative/") == MAIN


def test_a_variant_whose_harmonisation_would_change_nothing_is_refused(config):
    stretched = {"variants": {"stretched_by_site": {"harmonisation": "combat"}}}
    with pytest.raises(ValueError, match="stretched_by_site/, harmonisation: expected preprocessing: quantitative"):
        of(merged(config, stretched), "stretched_by_site")


def test_a_variant_that_harmonises_asks_for_sites_before_any_job(config):
    asked = dealing(merged(config, {"runs": {"variants": ["by_site"]}}))
    assert asked["combat"] == config["combat"] and dealing(config)["combat"] is None


def test_a_model_of_harmonised_windows_is_applied_to_its_own_sites_alone(config):
    window = {"preprocessing": {"normalise": config["normalise"] | {"method": "window"}}, "dataset": "RUN"}
    combat = window | {"harmonisation": "combat", "window_sites": ["east", "north"]}
    scans = {"sub-1": "north", "sub-2": "south", "sub-3": ""}
    new, unknown = site_bound(combat, scans, "centre")
    assert new.file == "sub-2" and "south: those of a new site follow from 3 or more controls" in new.found
    assert unknown.file == "sub-3" and "column `centre`" in unknown.expected and "(east, north)" in unknown.expected
    assert not site_bound(window | {"harmonisation": "none"}, scans, "centre")


def test_an_unknown_variant_is_named(config):
    with pytest.raises(ValueError, match=r"expected names of variants \(.*qsm.*\), found qsn"):
        of(config, "qsn")


def test_networks_that_see_whole_scans_are_for_variants(config):
    found = of(config, "conv3d", train_image_model={"weights": "imagenet"})
    assert found["variants/conv3d/"]["train_image_model"]["weights"] == "none"
    assert image_run(found, "variants/conv3d/") == "variants/conv3d/"
    with pytest.raises(ValueError, match="expected resnet18 in the main run, .* found vit"):
        of(config, train_image_model={"network": "vit"})
    changes = {"slow": {"train_image_model": {"network": "vit", "trainable": "head"}}}
    with pytest.raises(ValueError, match="network vit: expected weights: none and trainable: all"):
        of(config, "slow", variants=changes)


def test_the_measuring_head_needs_an_encoder(config):
    with pytest.raises(ValueError, match="head measured: expected .* found weights none and trainable all"):
        of(config, train_scan_model={"head": "measured"})


@pytest.mark.parametrize(
    ("weights", "simulated", "there"),
    [
        ("none", False, True),
        ("shipped", False, True),
        ("nowhere.safetensors", True, False),
        ("results/x/qnet/encoder_{input}.safetensors", True, True),  # which target `pretrain` makes
        ("results/x/qnet/encoder_{input}.safetensors", False, False),
    ],
)
def test_weights_that_are_not_there_are_refused_unless_the_run_makes_them(
    config, tmp_path, monkeypatch, weights, simulated, there
):
    monkeypatch.chdir(tmp_path)
    settings = config | {"train_image_model": config["train_image_model"] | {"weights": weights}}
    run = SimpleNamespace(
        runs={MAIN: settings}, inputs=["full"], diagnosed=["sub-01"], paths=Paths("x"), simulated=simulated
    )
    settings["runs"] = config["runs"] | {"inputs": run.inputs}
    if there:
        assert LearningInputs(run).every_start(None) == []
    else:
        with pytest.raises(WorkflowError, match="found no file .*safetensors: --config"):
            LearningInputs(run).every_start(None)


def test_choosing_needs_embeddings_that_know_no_label(config):
    choices = [{"weight_decay": 1.0}]
    with pytest.raises(ValueError, match="choices: expected features: out_of_fold .* and features in_sample"):
        of(config, train_scan_model={"choices": choices})
    of(config, train_scan_model={"choices": choices, "features": "out_of_fold"})
    of(config, train_scan_model={"choices": choices}, train_image_model={"weights": "encoder", "trainable": "head"})


def test_settings_are_not_written(config):
    before = yaml.safe_dump(config)
    of(config, "qsm", preprocessing="quantitative")
    assert yaml.safe_dump(config) == before
