"""Simulated studies of several centres: who is scanned where, by which scanner, and what the site alone tells."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from qnet.evaluation.confounds import site_rows
from recon.intake.series import series_of
from recon.phantom import bids
from recon.phantom.anatomy import anatomy, in_field
from recon.phantom.cohort import Simulate, at_site, bayes_limit, cohort, subject
from recon.phantom.sites import Site, site_auc, site_of
from recon.phantom.tissue import r2star_at
from workflow.lib.setup.paths import Paths
from workflow.lib.setup.variants import merged
from workflow.lib.study.check_facts import scanner
from workflow.lib.study.simulated import planned_images, planned_parts, planned_series, voxel_size_mm
from workflow.scripts.simulate_subject import main as simulate_subject

ROOT = Path(__file__).resolve().parents[2]
TRUTH = ("chi", "r2star", "t1", "total_field", "local_field", "brain_mask", "nuclei")
HALF = {"patients": 0.5, "controls": 0.5}


def section(*overlays: str) -> dict:
    """Section `simulate` of the shipped configuration with overlays from `config/`."""
    config: dict = {}
    for name in ("config", *overlays):
        config = merged(config, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    return config["simulate"]


SITES, CONFOUNDED = section("sites"), section("sites", "sites_confounded")


def of_each_site(settings: dict) -> dict[str, str]:
    """Site → label of one of its subjects."""
    return {person.site: person.label for person in cohort(Simulate(**settings))}


def test_participants_have_a_site_where_there_are_several():
    assert "site" not in bids.participants(cohort(Simulate(**section())))
    people = bids.participants(cohort(Simulate(**SITES)))
    assert set(people["site"]) == set(SITES["sites"])


@pytest.mark.parametrize("settings", [SITES, CONFOUNDED], ids=["sites", "sites_confounded"])
@pytest.mark.parametrize("subjects", [48, 96, 480])
def test_sites_get_their_shares_of_either_group(settings, subjects):
    people = bids.participants(cohort(Simulate(**settings | {"subjects": subjects})))
    for group, share in (("HH", "patients"), ("HC", "controls")):
        found = people.loc[people["group"] == group, "site"].value_counts()
        for name, site in settings["sites"].items():
            assert abs(found[name] - site[share] * subjects / 2) < 2


def test_who_is_scanned_where_does_not_depend_on_the_order_of_the_lines():
    turned = SITES | {"sites": dict(reversed(SITES["sites"].items()))}
    assert cohort(Simulate(**turned)) == cohort(Simulate(**SITES))


def test_adding_subjects_moves_nobody_to_another_site():
    few, many = (cohort(Simulate(**CONFOUNDED | {"subjects": n})) for n in (24, 96))
    assert many[:24] == few


def test_people_of_one_centre_are_those_of_before():
    settings = Simulate(**section())
    own, same = subject(settings, 5), subject(replace(settings, sites={"a": Site(**HALF), "b": Site(**HALF)}), 5)
    assert replace(same, site="") == own


def test_subjects_of_a_site_are_older_where_it_says_so():
    settings = Simulate(**SITES | {"subjects": 400})
    even = {name: replace(site, age_shift_years=0) for name, site in settings.sites.items()}
    pairs = zip(cohort(settings), cohort(replace(settings, sites=even)), strict=True)
    shifts = {(own.site, own.age - other.age) for own, other in pairs if 30 < other.age < 80}
    assert shifts == {(name, site.age_shift_years) for name, site in settings.sites.items()}


def test_every_site_has_a_scanner_of_its_own_that_says_it_is_simulated():
    names = set()
    for site, label in of_each_site(SITES).items():
        facts = planned_series(SITES, Paths("x"), f"sub-{label}", -1).facts[0]
        names.add(scanner(facts))
        assert f"simulated, site {site}" in scanner(facts)
    assert len(names) == 4 and any("Philips" in name for name in names) and any("1.5 T" in name for name in names)


def test_participants_json_tells_every_scanner():
    told = bids.participants_json(Simulate(**SITES))["site"]["Levels"]
    assert told["west"] == (
        "simulated, images as Siemens writes them, 1.5 T, voxels 2 x 2 x 3 mm, echoes at 8 16 24 32 40 48 ms, SNR 35"
    )
    assert "site" not in bids.participants_json(Simulate(**section()))


def test_scans_of_each_vendor_are_planned_as_it_writes_them():
    parts = planned_parts(SITES)
    assert set(parts) == {("mag", "phase"), ("real", "imag")}
    assert sorted(name for names in parts.values() for name in names) == [f"sub-{n:02d}" for n in range(1, 49)]
    assert voxel_size_mm(SITES, f"sub-{of_each_site(SITES)['south']}") == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("site", ["east", "south", "west"])
def test_a_subject_of_a_site_is_what_was_planned(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coarse = {"voxel_size_mm": [6, 6, 6], "te_s": [0.005, 0.01]}
    sites = {name: own | coarse for name, own in SITES["sites"].items()}
    settings, label = SITES | coarse | {"sites": sites}, of_each_site(SITES)[site]
    planned = planned_series(settings, Paths("x"), f"sub-{label}", -1)
    folder = {"folder": f"sub-{label}", "scan": f"sub-{label}"}
    images = [image.format(**folder) for image in planned_images(settings, planned.parts, Paths("x"))]
    simulate_subject(images, label, settings, **{name: f"{name}.nii.gz" for name in TRUTH})
    found = series_of(planned.files, planned.sidecars)
    assert (found.parts, found.te_s, found.facts) == (planned.parts, planned.te_s, planned.facts)


def test_r2star_grows_with_the_field_and_fluid_hardly():
    rates = np.array([4.0, 9.0, 31.0])
    assert r2star_at(rates, 3.0) is rates
    assert np.allclose(r2star_at(rates, 1.5), [4.0, 9.0, 20.0])
    assert np.allclose(r2star_at(rates, 6.0), [4.0, 9.0, 53.0])


def test_the_truth_holds_the_r2star_of_the_scanner():
    settings = Simulate(**SITES)
    people = cohort(settings)
    person = next(p for p in people if p.site == "west")
    truth = bids.latents(people, settings).set_index("participant_id").loc[f"sub-{person.label}"]
    scan = at_site(settings, person.site)
    head = in_field(anatomy(person, (4.0, 4.0, 4.0), 0.0), scan.b0_tesla)
    assert truth["pallidum_r2star_hz"] == pytest.approx(head.r2star_hz[np.isin(head.nuclei, [5, 6])].mean(), rel=1e-4)
    assert truth["pallidum_r2star_hz"] < person.r2star_hz[2] - 5


def test_what_the_site_alone_tells_is_known():
    half = {"a": Site(**HALF), "b": Site(**HALF)}
    assert site_auc({}) == site_auc(half) == 0.5
    assert site_auc({"a": Site(patients=1, controls=0), "b": Site(patients=0, controls=1)}) == 1
    assert site_auc({"a": Site(patients=0.75, controls=0.25), "b": Site(patients=0.25, controls=0.75)}) == 0.75
    settings = Simulate(**CONFOUNDED)
    assert bayes_limit("paper", settings.sites)["auc_site"] == pytest.approx(0.875)
    people = cohort(Simulate(**CONFOUNDED | {"subjects": 2000}))
    odds = {name: site.patients / site.controls for name, site in settings.sites.items()}
    ill, well = (np.array([odds[p.site] for p in people if p.group == group]) for group in ("HH", "HC"))
    above = (ill[:, None] > well) + 0.5 * (ill[:, None] == well)
    assert above.mean() == pytest.approx(0.875, abs=0.005)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("subjects", [24, 48, 96])
def test_the_confounded_study_is_flagged_and_the_other_is_not(seed, subjects):
    for settings, flagged in ((SITES, False), (CONFOUNDED, True)):
        people = bids.participants(cohort(Simulate(**settings | {"seed": seed, "subjects": subjects})))
        label, site = (people["group"] == "HH").to_numpy(), people["site"].to_numpy(str)
        alone = site_rows(label, site, np.arange(subjects) % 4, 0.95)[0]
        assert ("flag" in alone) == flagged, (seed, alone)


def test_a_site_takes_the_subjects_that_its_share_says():
    sites = {"a": Site(patients=1, controls=0), "b": Site(patients=0, controls=1)}
    assert {site_of(sites, number, True) for number in range(50)} == {"a"}
    assert {site_of(sites, number, False) for number in range(50)} == {"b"}
    assert site_of({}, 3, True) == ""


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ({"a": {"patients": 1, "controls": 1}}, "expected none or 2 to 6 sites, found 1"),
        ({"a": HALF, "b": {"patients": 0.4, "controls": 0.5}}, "shares of the patients that add up to 1, found 0.9 "),
        ({"a": HALF, "b": HALF | {"te_s": [0.01]}}, r"sites.b.te_s: expected as many echoes as .*, 6, .*found 1"),
        ({"a": HALF, "b": HALF | {"vendor": "acme"}}, "simulate.sites.b.vendor: expected one of .*, found acme"),
    ],
)
def test_sites_that_cannot_be_are_named(sites, message):
    with pytest.raises(ValueError, match=message):
        Simulate(**SITES | {"sites": sites})
