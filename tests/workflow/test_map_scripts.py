"""Nuclei, maps of the template and susceptibility-weighted images, from file to file."""

import numpy as np
import pandas as pd
import pytest

from recon.acquisition import Acquisition
from recon.files.io import Volume, read_json, read_volume, write_mask, write_volume
from recon.regions.deformation import SHAPE, Deformation, displaced, grid_points
from recon.regions.detail import Detail
from recon.regions.locate import Located
from recon.regions.registration import Registration
from recon.regions.shapes import divided, label_points
from recon.regions.to_template import template_grid
from recon.settings import defaults
from recon.swi import best_echo, swi_maps
from tests.recon import test_swi as vein
from workflow.scripts import locate_nuclei, swi_map, template_maps

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = -46, -76, -50  # of the deep brain, MNI
FOUND = Registration(subject_to_mni=np.eye(4), mutual_information=1.0, correlation=0.9, detail=Detail(0.5, 0.1))
NOT_FOUND = Registration(subject_to_mni=np.eye(4), mutual_information=0.0, correlation=0.0, detail=Detail(0.0, 0.5))
FURTHER = {"subthalamic_nucleus", "accumbens", "pallidum_external", "pallidum_internal"}


def shift() -> np.ndarray:
    """A smooth displacement of up to 5 mm [mm] about the basal ganglia."""
    x, y, z = grid_points() - np.array([0, -5, 0]).reshape(3, 1, 1, 1)
    return np.stack([0 * x, 5 * np.exp(-((x / 25) ** 2) - (y / 30) ** 2 - (z / 25) ** 2), 0 * x]).astype(np.float32)


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """Files of a scan whose putamina lie where `shift` takes them from, and a function that locates its nuclei."""
    displacement_mm, seen = shift(), {}
    points = grid_points().reshape(3, -1).T
    moved = displaced(points, displacement_mm)
    labels = divided(label_points(moved), moved).reshape(SHAPE)
    like = Volume(data=np.zeros(SHAPE, np.float32), affine=AFFINE)
    names = ("t1w", "mask", "chi", "r2star", "dseg", "box", "white", "displacement", "chi_map", "r2star_map")
    at = {name: str(tmp_path / f"sub-01/anat/sub-01_{name}.nii.gz") for name in names}
    at |= {"stats": str(tmp_path / "stats.tsv"), "acquisition": str(tmp_path / "acquisition.json")}
    Acquisition(te_s=(0.01, 0.02), b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=(2, 2, 2)).write(at["acquisition"])
    write_mask(at["mask"], np.ones(SHAPE, bool), like)
    putamen = np.isin(labels, [3, 4])
    about = {"Units": "ppm", "Reference": "csf", "SkullStripped": False}
    write_volume(at["chi"], np.where(putamen, 0.1, -0.02).astype(np.float32), like, about)
    write_volume(at["r2star"], np.where(putamen, 40, 20).astype(np.float32), like, {"Units": "1/s"})
    write_volume(at["t1w"], np.ones(SHAPE, np.float32), like)

    def located(fit: Registration, **cfg) -> None:
        """Run the stage with the deformation known instead of estimated."""
        bent = Deformation(displacement_mm=displacement_mm, before=0.5, after=0.7, kept=True)
        given = {"labels": labels, "deformation": bent} if fit.plausible else {"labels": np.zeros(SHAPE, np.uint8)}

        def placed(chi_ppm, mask, affine, **settings):
            seen.update(settings)
            return Located(registration=fit, **given)

        monkeypatch.setattr(locate_nuclei, "locate", placed)
        names = ("t1w", "mask", "acquisition", "chi", "dseg", "box", "stats", "r2star", "white", "displacement")
        settings = defaults("locate_nuclei") | {"method": "shapes"} | cfg
        locate_nuclei.main(**{name: at[name] for name in names}, scan="sub-01", cfg=settings)

    return at, located, labels, seen


def in_template(at, *further) -> None:
    names = ("dseg", "displacement", "chi", "chi_map", *further)
    template_maps.main(**{name: at[name] for name in names})


def test_shapes_and_their_deformation_reach_files_and_table(scan):
    at, located, labels, seen = scan
    located(FOUND)
    assert seen["method"] == "shapes" and seen["r2star"].max() == 40
    np.testing.assert_array_equal(read_volume(at["dseg"]).data, labels)
    about = read_json(at["dseg"].replace(".nii.gz", ".json"))
    assert about["Registration"]["DeformationKept"] and about["Registration"]["LargestDisplacement"] > 4
    table = pd.read_csv(at["stats"], sep="\t", na_values=["n/a"])
    assert set(table["name"]) > FURTHER
    putamen = table[(table["name"] == "putamen") & (table["hemisphere"] == "L")].iloc[0]
    assert putamen.chi_ppm_mean == pytest.approx(0.1) and putamen.r2star_hz_mean == pytest.approx(40)
    assert (read_volume(at["box"]).data[labels == 3] == 1).any()
    assert read_volume(at["displacement"]).data.shape == (*SHAPE, 3)


def test_maps_of_the_template_show_the_nuclei_where_the_template_has_them(scan):
    at, located, _, _ = scan
    located(FOUND)
    in_template(at)
    grid = template_grid()
    where = np.argwhere(grid.data > 0)
    points = (where @ grid.affine[:3, :3].T + grid.affine[:3, 3]).astype(np.float32)
    near = (np.abs(points - (-25, 2, 0)) < 25).all(1)  # about the left putamen
    putamen = where[near][label_points(points[near]) == 3]
    chi = read_volume(at["chi_map"])
    np.testing.assert_allclose(chi.affine, grid.affine)
    assert (chi.data[tuple(putamen.T)] > 0.04).mean() > 0.9
    about = read_json(at["chi_map"].replace(".nii.gz", ".json"))
    assert (about["Units"], about["Reference"], about["SkullStripped"]) == ("ppm", "csf", True)
    assert about["Sources"] == ["bids::sub-01/anat/sub-01_chi.nii.gz"] and "Note" not in about


def test_maps_of_a_brain_that_was_not_found_are_zero_and_say_so(scan):
    at, located, _, _ = scan
    located(NOT_FOUND)
    in_template(at, "r2star", "r2star_map")
    assert not any(read_volume(at[name]).data.any() for name in ("chi_map", "r2star_map", "box"))
    about = read_json(at["chi_map"].replace(".nii.gz", ".json"))
    assert about["Note"] == read_json(at["dseg"].replace(".nii.gz", ".json"))["Note"]
    assert about["Note"].startswith("registration to the template of adults found no brain")


def test_susceptibility_weighting_takes_the_echo_of_the_field_and_says_which(tmp_path):
    facts = Acquisition(te_s=(0.01, 0.02, 0.04), b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=vein.SIZE_MM)
    echo, like = best_echo(facts), Volume(data=vein.BRAIN, affine=np.diag([*vein.SIZE_MM, 1.0]))
    magnitude = np.stack([amount * vein.BRAIN for amount in (1000.0, 800.0, 500.0)], axis=-1).astype(np.float32)
    phase_rad = np.stack([te / vein.TE_S * vein.phase_of(0.2) for te in facts.te_s], axis=-1).astype(np.float32)
    at = {
        name: str(tmp_path / f"sub-01/anat/{name}.nii.gz") for name in ("magnitude", "phase", "mask", "swi", "min_ip")
    }
    write_volume(at["magnitude"], magnitude, like)
    write_volume(at["phase"], phase_rad, like)
    write_mask(at["mask"], vein.BRAIN, like)
    facts.write(tmp_path / "acquisition.json")
    swi_map.main(**at, acquisition=str(tmp_path / "acquisition.json"), cfg=vars(vein.SETTINGS))
    expected = swi_maps(magnitude[..., echo], phase_rad[..., echo], vein.BRAIN, vein.GRID, vein.SETTINGS)
    for name, suffix in {"swi": "swi", "min_ip": "minIP"}.items():
        np.testing.assert_allclose(read_volume(at[name]).data, expected[suffix], rtol=1e-5, atol=1e-3)
        about = read_json(at[name].replace(".nii.gz", ".json"))
        assert np.ravel(about["EchoTime"]).tolist() == [facts.te_s[echo]]
        assert ("ProjectionMM" in about) == (suffix == "minIP") and about["Units"] == "arbitrary"
    swi = read_volume(at["swi"]).data
    assert swi[vein.VEIN].mean() < 0.8 * swi[vein.AROUND].mean()
