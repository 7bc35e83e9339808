"""The methods section says what was done, no more, with the numbers of the configuration."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from recon.files.io import write_json
from recon.settings import arm
from workflow.lib.report.methods import bibtex, methods_text, references
from workflow.lib.run import Run
from workflow.scripts import methods

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
VERSIONS = {"Q-Net": "9.8.7", "numpy": "2.0.1"}
DOI = {key: row.doi for key, row in references().iterrows()}


def config(pipeline="paper", **changes):
    """The shipped configuration with some values changed: `section__key=value`."""
    changed = {name: dict(section) if isinstance(section, dict) else section for name, section in CONFIG.items()}
    changed = arm(changed | {"pipeline": pipeline})
    for name, value in changes.items():
        section, key = name.split("__")
        changed[section] = changed[section] | {key: value}
    return changed


def acquisition(n_echoes=6, decisions=None, maps=None, **changes):
    """What one scan tells."""
    about = {
        "te_s": [0.004 + 0.0045 * i for i in range(n_echoes)], "b0_tesla": 3.0, "b0_dir": [0.0, 0.0, 1.0],
        "voxel_size_mm": [0.7, 0.7, 2.1], "tr_s": 0.037, "flip_angle_deg": 23.0, "decisions": decisions or {},
        "maps": {"desc-brain_mask": {"Tool": "builtin", "FractionalIntensityThreshold": 0.2}} | (maps or {}),
    }  # fmt: skip
    return about | changes


def write(cfg=None, *scans, synthetic=False):
    return methods_text(cfg or config(), list(scans) or [acquisition()], VERSIONS, synthetic)


def cited(text):
    """Keys of the references that are listed, in their order."""
    listed = text.split("## References")[1].strip().splitlines()
    by_doi = {doi: key for key, doi in DOI.items()}
    return [by_doi[line.rsplit("doi:", 1)[1]] for line in listed]


def test_every_reference_is_cited_and_every_citation_listed():
    for pipeline in ("paper", "consensus"):
        text = write(config(pipeline))
        body, listed = text.split("## References")
        numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", body) for n in group.split(",")]
        assert list(dict.fromkeys(numbers)) == list(range(1, len(listed.strip().splitlines()) + 1))


def test_a_run_that_applies_a_model_says_how_it_was_validated_and_trains_nothing():
    text = write(config() | {"model": "/home/somebody/study"})
    assert "applied unchanged" in text and "## Classification" not in text and "somebody" not in text
    assert {"delong1988", "zou2008", "vancalster2019", "vickers2006", "vergouwe2017"} <= set(cited(text))
    assert "External validation" not in write(config())


def test_the_arms_cite_what_they_use_and_nothing_of_the_other():
    paper, consensus = set(cited(write(config("paper")))), set(cited(write(config("consensus"))))
    assert paper - consensus == {"schweser2011", "shmueli2009", "tang2013", "gharabaghi2020"}
    assert consensus - paper == {
        "consensus2024", "eckstein2018", "zhou2014", "liu2011", "liu2017", "bilgic2014", "milovic2018", "immerkaer1996",
        "candes2008", "liu2013", "holland1977", "stone1974", "efron1973", "pauli2018", "xiaoy2019", "thirion1998",
        "vercauteren2009",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"unwrap_phase__method": "best_path"}, "abdulrahman2007"),
        ({"local_field__method": "vsharp"}, "wu2012"),
        ({"group_maps__make": True}, "winkler2014"),
        ({"local_field__method": "lbv"}, "zhou2014"),
        ({"dipole_inversion__truncation": "swim"}, "haacke2010"),
        ({"r2star_map__method": "arlo"}, "pei2015"),
        ({"field_mapping__offset": "smooth"}, "eckstein2018"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_another_method_brings_its_reference(change, key):
    assert key not in cited(write())
    assert key in cited(write(config(**change)))


def test_harmonisation_is_told_with_what_unseen_sites_get():
    combat = {"reference_site": "Graz", "unseen_site": "controls"}
    text = write(config() | {"harmonisation": "combat", "combat": combat})
    assert {"johnson2007", "fortin2018"} <= set(cited(text)) and "with Graz as the reference, in each fold" in text
    assert "its own controls, each of these by the others, if it had at least 3" in text
    assert "ComBat" not in write() and "johnson2007" not in cited(write())


def test_both_tests_of_a_difference_say_what_they_ask():
    assert "trained models would differ on other test subjects" in write()
    assert "procedures would differ if they were trained on other subjects" in write()
    assert {"nadeau2003", "hanley1982"} <= set(cited(write()))


POOLING = {"debray2017", "roever2015", "higgins2009"}


@pytest.mark.parametrize("model", [None, "study"], ids=["training", "validation"])
def test_what_is_pooled_over_sites_is_told_with_its_sources(model):
    cfg = config() | {"model": model}
    text = methods_text(cfg, [acquisition()], VERSIONS, False, several_sites=True)
    assert (
        "pooled over sites by random effects (restricted maximum likelihood; intervals after Hartung and Knapp" in text
    )
    assert set(cited(text)) >= POOLING
    assert ("Cramér's V with a permutation test" in text) == (model is None)
    one = write(cfg)
    assert "also given by site" in text and "also given by" in one
    assert not re.search("sites|by site", one.split("## References")[0]) and not POOLING & set(cited(one))


@pytest.mark.parametrize(("diagnosed", "several"), [("123", True), ("12", False), ("24", False)])
def test_several_sites_are_those_of_the_diagnosed_subjects(tmp_path, diagnosed, several):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tsite\nsub-1\tGraz\nsub-2\tGraz\nsub-3\tOslo\nsub-4\tn/a\n")
    run = SimpleNamespace(simulated=False, participants=table, cfg=config())
    run.diagnosed = {f"sub-{subject}": "" for subject in diagnosed}
    assert Run.several_sites.func(run) == several
    table.write_text("participant_id\tsite\nsub-1\tGraz\tOslo\n")  # maps need no table that can be read
    assert not Run.several_sites.func(run)


def test_repeated_scans_are_told_where_there_are_some():
    again = methods_text(config(), [acquisition()] * 2, VERSIONS, False, repeated=True)
    assert "within and between sites from one pair of scans of each subject" in again
    assert {"shrout1979", "mcgraw1996", "bland1999"} <= set(cited(again))
    assert "Repeatability" not in write() and not {"shrout1979", "bland1999"} & set(cited(write()))


def test_every_simulated_site_has_its_signal_to_noise_ratio():
    sites = {"north": {}, "east": {"snr": 60.0}}
    text = write(config(simulate__sites=sites), synthetic=True)
    assert "signal-to-noise ratio by site: east 60, north 40)" in text
    assert "signal-to-noise ratio 40)" in write(synthetic=True)


def test_the_reference_is_told_with_its_source_and_size():
    chi = {"Chimap": {"ReferenceVolumeML": 7.25, "ReferenceAboveWholeBrain": 0.0234}}
    text = write(config(combine_echoes__reference="csf"), acquisition(maps=chi), acquisition(b0_tesla=6.0, maps=chi))
    assert "relative to its mean over the fluid of the ventricles, found by R2* below 5 to 10 s⁻¹" in text
    assert "(7.25 ml, 23.4 ppb against the mean of the whole brain)" in text and "liu2018" in cited(text)
    assert "relative to its mean over red nucleus;" in write(config(combine_echoes__reference="red_nucleus"))
    assert "without a reference region" in write(config(combine_echoes__reference="none"))
    assert "liu2018" not in cited(write())


def test_several_coils_and_further_maps_are_told():
    text = write(config(r2star_map__coils=32, r2star_map__t2star_and_s0=True))
    assert "root of the sum of squares of 32 coils" in text and "constantinides1997" in cited(text)
    assert "T2* is its reciprocal" in text
    assert "as many coils as the noise in air shows" in write(config(r2star_map__coils="air"))
    assert "sum of squares" not in write()


def test_plain_tkd_neither_iterates_nor_cites_the_iteration():
    text = write(config(dipole_inversion__method="tkd"))
    assert "tang2013" not in cited(text) and "inside of the cone" not in text


NUMBERS = {
    "paper": {
        "brain_mask": ["echo", "threshold", "erode_mm", "island_mm3"],
        "unwrap_phase": ["trim_echo", "trim_coherence"],
        "local_field": ["radius_mm", "threshold"],
        "dipole_inversion": ["threshold", "iterations", "iteration_threshold", "structure_r2star_hz"],
        "combine_echoes": ["first_echo", "last_echo", "power"],
        "r2star_map": ["iterations", "maximum_hz"],
    },
    "consensus": {
        "brain_mask": ["echo", "threshold", "island_mm3"],
        "unwrap_phase": ["trim_echo", "trim_coherence", "trim_r2star_hz"],
        "field_mapping": ["offset_smoothing_mm"],
        "dipole_inversion": ["tv_weight", "tv_iterations", "tv_tolerance", "tv_outside"],
        "r2star_map": ["iterations", "maximum_hz"],
    },
}


@pytest.mark.parametrize("pipeline", NUMBERS)
def test_every_number_of_the_reconstruction_is_that_of_the_configuration(pipeline):
    """Unusual values in, the same values and no others out."""
    cfg, values = config(pipeline), []
    for section, keys in NUMBERS[pipeline].items():
        for key in keys:
            values.append(len(values) + 2 if isinstance(cfg[section][key], int) else 0.125 + len(values))
            cfg[section] = cfg[section] | {key: values[-1]}
    if pipeline == "paper":  # an average of echoes a to b
        cfg["combine_echoes"] |= {"first_echo": 40, "last_echo": 44}
        values = [40 if v == cfg["combine_echoes"]["first_echo"] else v for v in values]
    body = write(cfg, acquisition(n_echoes=50)).split("## Susceptibility")[1].split("The T1-weighted image")[0]
    body = re.sub(r"\[[\d, ]+\]|TE = 0|R2\*|T1|2π|B₀", "", body)
    used = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", body)}
    expected = {float(cfg[s][key]) for s, keys in NUMBERS[pipeline].items() for key in keys}
    assert used == expected


def test_the_learning_schedule_is_that_of_the_configuration():
    changes = {"train_image_model__epochs": 77, "train_scan_model__hidden_size": 33, "evaluate__confidence": 0.875}
    text = write(config(**changes))
    assert "77 epochs" in text and "(33 units" in text and "87.5 % intervals" in text


def test_facts_of_the_data_are_told_with_their_units():
    text = write()
    for fact in ("3 T", "4, 8.5, 13, 17.5, 22 and 26.5 ms", "37 ms", "23°", "0.7 × 0.7 × 2.1 mm", "numpy 2.0.1"):
        assert fact in text
    assert "Research use only" in text and "ppm" in text and "relative to its mean over the whole brain" in text


@pytest.mark.parametrize("pipeline", ["paper", "consensus"])
@pytest.mark.parametrize(
    "changes", [{}, {"normalise__channels": ["QSM"]}, {"train_scan_model__choices": [{"copies": 2}]}]
)
def test_a_space_parts_sentences(pipeline, changes):
    body = write(config(pipeline, **changes)).split("## References")[0]
    assert re.findall(r"[a-z)]\.[A-Z][a-z]*", body) == []


def test_scans_that_differ_are_counted():
    scans = [acquisition(), acquisition(), acquisition(b0_tesla=7.0, b0_dir=[0.0, 0.6, 0.8])]
    text = write(None, *scans)
    assert "3 scans were" in text
    assert "3 T (2 scans), 7 T (1 scan)" in text
    assert "0 to 36.9°" in text


def test_decisions_of_the_intake_are_told_and_remarks_counted():
    told = {"PhaseUnits": "0..4095 is -pi..pi: Siemens.", "SignFactor": 1, "Notes": ["zero-filled"], "ChopAxis": None}
    text = write(None, acquisition(decisions=told), acquisition())
    assert "Phase units: 0..4095 is -pi..pi: Siemens." in text
    assert "The sidecars of 1 scan contain remarks" in text
    assert "Sign factor" not in text


def test_decisions_on_different_evidence_are_told_without_it():
    told = [{"SliceChop": f"slices do not alternate: correlation 0.9{i}"} for i in range(9)]
    text = write(None, *(acquisition(decisions=decisions) for decisions in told))
    assert "Slice chop: slices do not alternate. " in text


def test_what_the_user_supplied_is_not_claimed():
    own = {name: {"Tool": "user"} for name in ("desc-brain_mask", "desc-stage_T1w", "desc-nuclei_dseg")}
    text = write(None, acquisition(maps=own))
    assert "smith2002" not in cited(text) and "first echo, corrected for its R2*" not in text
    assert text.count("supplied by the user") == 2 and "labels the user supplied" in text


def test_a_single_echo_claims_no_r2star():
    text = write(None, acquisition(n_echoes=1))
    assert "A single echo gives no R2*" in text
    claims = (
        "maps of echoes", "each echo", "later echoes", "with R2* above", "corrected for its R2*", "odd and even",
        "ResNet",
    )  # fmt: skip
    assert [claim for claim in claims if claim in text] == []


def test_t1_is_told_only_where_two_flip_angles_were_read():
    assert "deoni2003" not in cited(write())
    text = write(None, acquisition(maps={"T1map": {"FlipAngle": [6.0, 24.0]}}))
    assert "(6° and 24°)" in text and "deoni2003" in cited(text)


@pytest.mark.parametrize("synthetic", [True, False])
def test_simulated_data_are_called_so(synthetic):
    text = write(None, synthetic=synthetic)
    assert ("SYNTHETIC DATA" in text) == synthetic
    assert ("simulated" in text.replace("# Methods: simulated", "")) == synthetic


def test_the_bibliography_holds_the_same_references():
    text = write()
    entries = re.findall(r"^@article\{(\w+),$", bibtex(text), re.M)
    assert sorted(entries) == sorted(cited(text))
    assert "author = {Smith, S. M.}" in bibtex(text)


def test_references_are_complete():
    table = references()
    assert table.doi.str.fullmatch(r"10\.\d{4,}/\S+").all() and table.doi.is_unique
    assert (table[["authors", "title", "journal", "pages"]] != "").all(axis=None)


def test_the_script_joins_scans_and_the_sidecars_of_their_maps(tmp_path):
    scans = ("sub-01", "sub-02_ses-1_run-2")
    for scan in scans:
        write_json(tmp_path / f"{scan}_acquisition.json", {k: v for k, v in acquisition().items() if k != "maps"})
        write_json(tmp_path / f"{scan}_desc-brain_mask.json", {"Tool": "builtin", "FractionalIntensityThreshold": 0.2})
    write_json(tmp_path / f"{scans[1]}_desc-brain_mask.json", {"Tool": "user"})
    methods.main(
        [str(tmp_path / f"{scan}_acquisition.json") for scan in scans],
        [str(tmp_path / f"{scan}_desc-brain_mask.nii.gz") for scan in scans],
        methods=str(tmp_path / "methods.md"),
        bibliography=str(tmp_path / "methods.bib"),
        cfg=config(),
        synthetic=False,
        several_sites=False,
        versions=VERSIONS,
    )
    assert "masks of 1 of 2 scans were supplied" in (tmp_path / "methods.md").read_text()
    assert "@article{smith2002," in (tmp_path / "methods.bib").read_text()
