"""The stages that find the region of zero susceptibility and use it, from file to file."""

import numpy as np
import pandas as pd
import pytest

from recon.files.io import Volume, read_json, read_mask, read_volume, write_json, write_mask, write_volume
from recon.problems import ProblemError
from recon.regions.detail import Detail
from recon.regions.locate import Located
from recon.regions.nuclei import nucleus_labels
from recon.regions.registration import Registration
from recon.settings import defaults
from tests.recon.test_reference import BRAIN, SHAPE, TE_S, VENTRICLES, VOXEL_MM, head
from workflow.scripts import combine_echoes, locate_nuclei, r2star_map, reference_region

LIKE = Volume(data=np.zeros(SHAPE, np.float32), affine=np.diag([*VOXEL_MM, 1.0]))
PUTAMEN = [label for label, (name, _) in nucleus_labels().items() if name == "putamen"]
FOUND = Located(
    labels=np.where(VENTRICLES, PUTAMEN[0], 0).astype(np.uint8),
    registration=Registration(
        subject_to_mni=np.eye(4), mutual_information=1.0, correlation=0.9, detail=Detail(0.5, 0.1)
    ),
)


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """Echoes of a ball with two ventricles, its masks and a map of χ."""
    at = {
        name: str(tmp_path / f"sub-01/anat/sub-01_{name}.nii.gz")
        for name in ("magnitude", "mask", "eroded", "r2star", "misfit", "t2star", "s0", "chi_echoes", "region", "chi")
    }
    r2star_hz, last_echo = head(spread_hz=0.0)
    magnitude = 500 * np.exp(-r2star_hz[..., None] * TE_S) * (last_echo > 0.1)[..., None]  # dark in the void
    magnitude += np.abs(np.random.default_rng(0).normal(0, 2, magnitude.shape))
    write_volume(at["magnitude"], magnitude.astype(np.float32), LIKE)
    write_mask(at["mask"], BRAIN, LIKE)
    write_mask(at["eroded"], BRAIN, LIKE)
    chi = np.random.default_rng(1).normal(0.02, 0.01, SHAPE) + 0.05 * VENTRICLES
    write_volume(at["chi_echoes"], chi.astype(np.float32), LIKE)
    at["acquisition"] = str(tmp_path / "acquisition.json")
    facts = {"te_s": list(TE_S), "b0_tesla": 3.0, "b0_dir": [0, 0, 1], "voxel_size_mm": list(VOXEL_MM), "tr_s": None}
    write_json(at["acquisition"], facts)
    return at


def given(files, *names):
    return {name: files[name] for name in names}


def sidecar(path):
    return read_json(path.replace(".nii.gz", ".json"))


def decay(files, **cfg):
    names = ("magnitude", "mask", "acquisition", "r2star", "misfit")
    r2star_map.main(**given(files, *names), cfg=defaults("r2star_map") | cfg, threads=1, t2star=files["t2star"],
                    s0=files["s0"])  # fmt: skip


def test_fluid_is_found_and_becomes_zero(files):
    decay(files)
    names = ("mask", "eroded", "acquisition", "region", "r2star", "magnitude")
    reference_region.main(**given(files, *names), name="csf")
    region = read_mask(files["region"])
    assert not (region & ~VENTRICLES).any() and "R2* below 5 1/s" in sidecar(files["region"])["Method"]
    combine_echoes.main(
        **given(files, "chi_echoes", "magnitude", "eroded", "acquisition", "chi", "region"),
        echo_chi=[], cfg=defaults("combine_echoes") | {"reference": "csf"},
    )  # fmt: skip
    chi, about = read_volume(files["chi"]).data, sidecar(files["chi"])
    assert abs(chi[region].mean(dtype=np.float64)) < 1e-7
    assert about["Reference"] == "csf" and about["ReferenceSusceptibility"] == pytest.approx(0.07, abs=0.001)
    assert about["ReferenceVolumeML"] == pytest.approx(region.sum() * 0.008)
    assert about["ReferenceAboveWholeBrain"] == pytest.approx(-chi[BRAIN].mean(), abs=1e-5)
    assert "Note" not in about


def test_sidecars_tell_protocol_and_method_as_bids_calls_them(files):
    decay(files, t2star_and_s0=True)
    combine_echoes.main(
        **given(files, "chi_echoes", "magnitude", "eroded", "acquisition", "chi"),
        echo_chi=[], cfg=defaults("combine_echoes"), inversion=defaults("dipole_inversion"),
    )  # fmt: skip
    for name, algorithm in (("r2star", "irls"), ("misfit", "irls"), ("t2star", "irls"), ("chi", "iterative_tkd")):
        about = sidecar(files[name])
        assert about["EchoTime"] == list(TE_S) and "EchoTimes" not in about
        assert (about["MagneticFieldStrength"], about["EstimationAlgorithm"]) == (3.0, algorithm)
        assert "RepetitionTimeExcitation" not in about  # the source did not tell it
    assert "doi:10.1002/mrm.22135" in sidecar(files["chi"])["EstimationReference"]


def test_an_uncertain_reference_is_noted(files):
    chi = read_volume(files["chi_echoes"]).data + 0.05 * (np.indices(SHAPE)[0] > 30)  # the sides differ
    write_volume(files["chi_echoes"], chi, LIKE)
    write_mask(files["region"], VENTRICLES, LIKE)
    combine_echoes.main(
        **given(files, "chi_echoes", "magnitude", "eroded", "acquisition", "chi", "region"),
        echo_chi=[], cfg=defaults("combine_echoes") | {"reference": "csf"},
    )  # fmt: skip
    assert "the mean of the reference csf is uncertain by" in sidecar(files["chi"])["Note"]


def test_the_user_s_labels_give_the_nucleus(files, tmp_path):
    labels = np.where(VENTRICLES, PUTAMEN[0], 0).astype(np.uint8)
    own = str(tmp_path / "own_dseg.nii.gz")
    write_volume(own, labels, LIKE)
    reference_region.main(
        **given(files, "mask", "eroded", "acquisition", "region"), name="putamen", t1w=files["mask"],
        user_nuclei=own, user="bids:own:dseg",
    )  # fmt: skip
    np.testing.assert_array_equal(read_mask(files["region"]), VENTRICLES)
    with pytest.raises(ProblemError, match="caudate: expected 20 voxels .* found 0 voxels"):
        reference_region.main(
            **given(files, "mask", "eroded", "acquisition", "region"), name="caudate", t1w=files["mask"],
            user_nuclei=own, user="bids:own:dseg",
        )  # fmt: skip


def test_the_user_s_label_of_a_small_nucleus_is_a_reference_too(files, tmp_path):
    own = str(tmp_path / "own_dseg.nii.gz")
    left = np.arange(SHAPE[0])[:, None, None] < 30
    write_volume(own, np.where(VENTRICLES, np.where(left, 15, 21), 0).astype(np.uint8), LIKE)
    for name, side in {"subthalamic_nucleus": left, "pallidum_internal": ~left}.items():
        reference_region.main(
            **given(files, "mask", "eroded", "acquisition", "region"), name=name, t1w=files["mask"],
            user_nuclei=own, user="bids:own:dseg",
        )  # fmt: skip
        np.testing.assert_array_equal(read_mask(files["region"]), VENTRICLES & side)


def test_a_nucleus_lies_where_the_nuclei_of_the_scan_are_placed(files, monkeypatch):
    """By the same method, from the same maps but for the constant that is still to be taken off."""
    seen = {}

    def placed(chi_ppm, mask, affine, *, t1w, r2star, method):
        seen.update(chi=chi_ppm, t1w=t1w, r2star=r2star, method=method)
        return FOUND

    monkeypatch.setattr(reference_region, "locate", placed)
    decay(files)
    names = ("mask", "eroded", "acquisition", "region", "magnitude", "r2star", "chi_echoes")
    reference_region.main(**given(files, *names), name="putamen", t1w=files["mask"], method="shapes")
    np.testing.assert_array_equal(read_mask(files["region"]), VENTRICLES)
    assert seen["method"] == "shapes" and "shapes" in sidecar(files["region"])["Method"]
    np.testing.assert_allclose(seen["chi"][BRAIN], read_volume(files["chi_echoes"]).data[BRAIN])
    np.testing.assert_array_equal(seen["r2star"], read_volume(files["r2star"]).data)
    names = ("mask", "eroded", "acquisition", "region")
    reference_region.main(**given(files, *names), name="putamen", t1w=files["mask"], method="none")
    assert seen["method"] == "template" and seen["r2star"] is None


@pytest.mark.parametrize(("covered", "flags"), [("x", {"thin_slab"}), ("all", {"n/a"})])
def test_a_brain_that_is_thin_along_b0_flags_the_statistics_of_its_nuclei(files, tmp_path, monkeypatch, covered, flags):
    """Along B0 as the acquisition tells it, which is not along the third axis of these voxels."""
    monkeypatch.setattr(locate_nuclei, "locate", lambda *maps, **settings: FOUND)
    turned = np.array([[0, 2.0, 0, 0], [0, 0, 2, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    thin = np.abs(np.arange(SHAPE[0]) - SHAPE[0] // 2)[:, None, None] < 14 if covered == "x" else True
    for name, data in {"mask": BRAIN & thin, "chi_echoes": read_volume(files["chi_echoes"]).data}.items():
        write_volume(files[name], data, Volume(data=data, affine=turned))
    stats, facts = tmp_path / "stats.tsv", tmp_path / "along_x.json"
    write_json(facts, read_json(files["acquisition"]) | {"b0_dir": [1, 0, 0]})
    locate_nuclei.main(
        files["chi_echoes"], files["mask"], str(facts), files["chi_echoes"], str(tmp_path / "sub-01/dseg.nii.gz"),
        str(tmp_path / "sub-01/box.nii.gz"), str(stats), "sub-01", defaults("locate_nuclei"),
    )  # fmt: skip
    assert set(pd.read_csv(stats, sep="\t", keep_default_na=False)["flag"]) == flags


def test_further_maps_are_written_where_they_are_wanted(files, tmp_path):
    decay(files)
    assert not (tmp_path / "sub-01/anat/sub-01_s0.nii.gz").exists()
    decay(files, t2star_and_s0=True)
    assert (sidecar(files["t2star"])["Units"], sidecar(files["s0"])["Units"]) == ("s", "arbitrary")
    rate, time = read_volume(files["r2star"]).data, read_volume(files["t2star"]).data
    np.testing.assert_allclose((rate * time)[rate > 0], 1, rtol=1e-5)
    assert np.median(read_volume(files["s0"]).data[BRAIN]) == pytest.approx(500, rel=0.02)
