"""`q-net why`: what would run and why, in words, on a finished run of the tiny cohort."""

import base64

import yaml

from tests.workflow.test_reruns import deleted, edited, more_code, overlay, replaced
from tests.workflow.warm import command

LEARNING_RATE = """\
27 of 96 jobs would run.

setting train_image_model.learning_rate changed (0.0003 → 0.0005)
    methods 1, train_image_model 4

because train_image_model runs again: class_activation 2, embed_slices 4
because embed_slices runs again: baselines 1, train_scan_model 4
because train_scan_model runs again: predict_fold 4
because predict_fold runs again: evaluate 1, slice_importance 2
because evaluate runs again: checklist 1, model_card 1
because slice_importance runs again: report 1
because report runs again: run_record 1
"""


def why(tiny, *arguments):
    """What is printed below the line about the profile."""
    status, text = command(tiny, "workflow", "why", "--configfile", "tiny.yaml", *arguments)
    assert status == 0, text
    return text.split("\n", 1)[1]


def test_nothing_to_do_is_said(tiny):
    assert why(tiny).startswith("Nothing would run")


def test_a_setting_is_named_with_both_values_and_what_follows(tiny):
    with edited(tiny / "tiny.yaml", overlay(train_image_model={"learning_rate": 5e-4})):
        assert why(tiny) == LEARNING_RATE


def test_every_edit_is_named_and_the_first_stage_that_it_touches(tiny):
    with (
        edited(tiny / "recon/inversion/division.py", more_code),
        edited(tiny / "resources/references.tsv", lambda text: text + "\n"),
        edited(tiny / "tiny.yaml", overlay(combine_echoes={"reference": "none", "power": 1})),
    ):
        text = why(tiny)
    assert "\nthe code of recon/inversion/division.py changed\n    dipole_inversion 4\n" in text
    assert "\nresource references.tsv changed\n    methods 1\n" in text
    assert "\nsetting combine_echoes.power changed (2 → 1)\nsetting combine_echoes.reference changed" in text
    assert " (whole_brain → none)\n    combine_echoes 4\n" in text
    assert len(text.splitlines()) < 30


def test_new_scans_are_named(tiny):
    with edited(tiny / "tiny.yaml", overlay(simulate={"subjects": 6})):
        text = why(tiny)
    assert "setting simulate.subjects changed (4 → 6)\n" in text
    assert "new scan: sub-05, sub-06\n    simulate_subject 2, prepare_echoes 2, brain_mask 2" in text
    assert "subjects of folds changed (with sub-05, sub-06)\n    folds 1\n" in text


def test_a_variant_is_named(tiny):
    with edited(tiny / "tiny.yaml", overlay(runs={"variants": ["attention"]})):
        assert "new variant: attention\n    embed_slices 4" in why(tiny)


def test_a_file_that_is_gone_or_newer_is_named(tiny):
    participants = tiny / "results/tiny/rawdata/participants.tsv"
    with deleted(tiny / "results/tiny/sub-02.html"), edited(participants, replaced("\n", "\n\n")):
        text = why(tiny)
    assert "output missing: results/tiny/sub-02.html\n    subject_page 1\n" in text
    assert (
        "newer than the files made from it: results/tiny/rawdata/participants.tsv\n    folds 1, study_table 1\n" in text
    )


def test_what_an_interrupted_run_left_and_what_is_forced_are_told(tiny):
    file = "results/tiny/methods.md"
    mark = tiny / ".snakemake/incomplete" / base64.urlsafe_b64encode(file.encode()).decode()
    mark.write_text('{"external_jobid": null}')
    try:
        text = why(tiny, "--forcerun", "checklist")
    finally:
        mark.unlink()
    assert f"left incomplete by an interrupted run: {file}\n    methods 1" in text
    assert "forced\n    checklist 1" in text


def test_a_first_run_is_told(tiny):
    field = "/".join(("results/first", "work", "sub-01", "sub-01_desc-total_fieldmap.nii"))
    text = why(tiny, "--config", "dataset=first", "--", field)
    assert text.startswith("5 of 5 jobs would run.\n\nnot made yet\n    simulate_subject 1, prepare_echoes 1, ")


def test_a_refusal_is_told_as_snakemake_does(tiny):
    (tiny / "wrong.yaml").write_text(yaml.safe_dump({"local_field": {"method": "nonsense"}}))
    status, text = command(tiny, "workflow", "why", "--configfile", "tiny.yaml", "wrong.yaml")
    assert status == 1
    assert "'nonsense' is not one of" in text
