"""Settings that change nothing are refused where another value stands in their place, else told of."""

import copy
import shlex

import pytest
import yaml

from recon.intake.scan import Scan, Series
from recon.problems import IntakeError
from recon.settings import arm, shipped
from workflow.lib.setup.command_line import value_of, with_words
from workflow.lib.setup.effect import absent_columns, changes_in_vain, given_by_user, overruled, unread, unread_in
from workflow.lib.setup.variants import merged, runs
from workflow.lib.study.scans import check_boxes


def told(*words: str, files=(), overlay=None) -> tuple[list, list[str]]:
    """Problems and notes of `--config WORDS`."""
    config = copy.deepcopy(shipped())
    for change in [*(yaml.safe_load(file.read_text()) for file in files), overlay or {}]:
        config = merged(config, change)
    for key, _, text in (word.partition("=") for word in words):
        config = merged(config, {key: value_of(key, text)})
    given, every = given_by_user(config, files, words), runs(arm(config))
    return overruled(given, config, every), unread(given, every)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["pipeline=consensus", "dipole_inversion={method: tkd}"], "consensus={dipole_inversion: {method: tkd}}"),
        (  # as shipped, yet named on the command line
            ["pipeline=consensus", "dipole_inversion={method: iterative_tkd}"],
            "consensus={dipole_inversion: {method: iterative_tkd}}",
        ),
        (["preprocessing=quantitative", "normalise={method: stretch}"], "quantitative={normalise: {method: stretch}}"),
        (
            ["preprocessing=quantitative", "train_image_model={augmentation: {gamma: 0.2}}"],
            "quantitative={train_image_model: {augmentation: {gamma: 0.2}}}",
        ),
    ],
)
def test_a_value_that_another_section_overrules_is_refused_with_the_line_to_type(words, line):
    (problem,) = told(*words)[0]
    assert f'--config "{line}"' in problem.expected
    (argument,) = shlex.split(problem.expected.partition("--config ")[2])
    assert told(*words, argument)[0] == []  # each arm has its own


def test_a_value_that_a_run_has_is_not_refused():
    assert told("dipole_inversion={method: tkd}", "normalise={method: stretch}") == ([], [])
    assert told("pipeline=consensus", "locate_nuclei={method: none}") == ([], [])
    variant = ["preprocessing=quantitative", "normalise={method: stretch}", "runs={variants: [stretched]}"]
    assert told(*variant) == ([], [])
    copied = merged(copy.deepcopy(shipped()), {"pipeline": "consensus"})  # a copy of the whole file
    assert told(overlay=copied) == ([], [])
    assert told("train_scan_model={features: out_of_fold, inner_folds: 3}", "pretrain={epochs: 3}") == ([], [])
    assert told("normalise={method: window, channels: [QSM], qsm_window_ppm: [0, 1]}") == ([], [])


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["bids_dir=/data", "simulate={snr: 30}"], "simulate.snr: 30 has no effect: it counts where neither bids_dir"),
        (["derivatives=/data"], "it counts where bids_dir or dicom_dir is given"),
        (["local_field={method: lbv, radius_mm: 4}"], "it counts where local_field.method is sharp or vsharp or"),
        (["consensus={dipole_inversion: {tv_weight: 0.2}}"], "consensus.dipole_inversion.tv_weight: 0.2 has no effect"),
        (["swi_map={filter_mm: 3}"], "it counts where swi_map.make is true"),
        (["locate_nuclei={method: none, margin_mm: 4}"], "locate_nuclei.margin_mm: 4 has no effect"),
        (["normalise={qsm_window_ppm: [0, 0.2]}"], "it counts where normalise.method is window"),
        (["normalise={method: window, channels: [R2star], qsm_window_ppm: [0, 1]}"], "normalise.channels holds QSM"),
        (["bids_dir=/data", "pretrain={epochs: 3}"], "pretrain.epochs: 3 has no effect: it counts where neither"),
        (["train_scan_model={inner_folds: 3}"], "it counts where train_scan_model.features is out_of_fold or"),
        (
            ["participants={positive_labels: [HH, C282Y], positive_label: HH}"],
            "participants.positive_label: HH has no effect: it counts where participants.positive_labels is []",
        ),
        (["train_image_model={augmentation: {noise_sd: 0.02}}"], "augmentation.noise is not 0"),
        (["variants={mine: {runs: {inputs: [crop]}}}"], "it counts where runs.variants names mine"),
        (["runs={inputs: [full]}"], "evaluate.primary: it compares the input crop"),
        (["combat={unseen_site: controls}"], "harmonisation is combat"),
    ],
)
def test_a_setting_that_nothing_reads_is_told_with_what_would_read_it(words, note):
    problems, (only,) = told(*words)
    assert note in only and problems == []


def test_what_the_overlays_of_the_project_hold_for_others_is_no_word_of_the_user(repository):
    best = repository / "config/best.yaml"
    for file in (repository / "config").glob("*.yaml"):
        files = [best, file] if file.stem == "centres" else [file]
        assert told("bids_dir=/data", files=files) == ([], []), file


def test_a_variant_of_the_reconstruction_is_refused():
    config = merged(shipped(), {"variants": {"mine": {"slice_stack": {"slices": 5}}}, "runs": {"variants": ["mine"]}})
    (problem,) = changes_in_vain(config)
    assert problem.file == "variants.mine.slice_stack"


def test_a_setting_that_the_scans_do_not_allow_to_count_is_told():
    series = Series(parts=("real", "imag"), images=((), ()), te_s=(0.01, 0.02), facts=(), sidecars=())
    words = ["prepare_echoes={phase_range: [0, 9]}", "brain_mask={echo: 3}", "t1w_map={remove_r2star_decay: false}"]
    config = merged(shipped(), with_words({}, words))
    notes = unread_in(given_by_user(config, [], words), [Scan(name="sub-1", series=series)])
    assert len(notes) == 2 and "real and imaginary" in notes[0] and "the scans have 2 echoes" in notes[1]


def test_a_column_of_sites_that_the_table_lacks_is_told(tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tsite\nsub-1\ta\n")
    (note,) = absent_columns({("participants", "site_column"): "centre"}, table)
    assert "has no such column, only participant_id, site" in note
    assert absent_columns({("participants", "site_column"): "site"}, table) == absent_columns({}, table) == []


def test_a_table_of_boxes_that_is_not_there_is_refused_before_any_job():
    with pytest.raises(IntakeError, match=r"/nowhere.tsv: expected the table of boxes .* found no file"):
        check_boxes("/nowhere.tsv", [])
