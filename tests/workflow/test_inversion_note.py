"""A scan that lies outside the range of the trained inversion: the note beside its map says so."""

import numpy as np
import pytest

from recon.files.io import Volume, read_json, read_volume, sidecar_path, write_mask, write_volume
from recon.settings import defaults
from tests.recon.physics import acquisition, ball, field_of, nuclei
from workflow.scripts import combine_echoes, dipole_inversion

SHAPE, COARSE_MM = (20, 22, 16), (4.0, 4.0, 4.0)
TOGETHER = {"tv_iterations": 5}


@pytest.fixture
def files(tmp_path):
    paths = {name: str(tmp_path / f"{name}.nii.gz") for name in ("local", "eroded", "magnitude", "echoes", "chi")}
    mask, facts = ball(28, shape=SHAPE, voxel_size_mm=COARSE_MM), acquisition(2, voxel_size_mm=COARSE_MM)
    like = Volume(data=mask, affine=np.diag([*COARSE_MM, 1.0]))
    write_mask(paths["eroded"], mask, like)
    write_volume(paths["local"], field_of(nuclei(SHAPE, COARSE_MM), voxel_size_mm=COARSE_MM) * mask, like)
    write_volume(paths["magnitude"], np.ones((*SHAPE, 2), np.float32), like)
    paths["acquisition"] = str(tmp_path / "acquisition.json")
    facts.write(paths["acquisition"])
    return paths


def invert(files, method):
    settings = defaults("dipole_inversion") | TOGETHER | {"method": method}
    inputs = {name: files[name] for name in ("local", "eroded", "acquisition")}
    dipole_inversion.main(**inputs, chi=files["echoes"], cfg=settings, threads=1)
    inputs = {name: files[name] for name in ("magnitude", "eroded", "acquisition", "chi")}
    combine_echoes.main(
        chi_echoes=files["echoes"], **inputs, echo_chi=[], cfg=defaults("combine_echoes"), inversion=settings
    )
    return read_json(sidecar_path(files["chi"])), read_volume(files["echoes"]).data


def test_the_map_says_that_it_is_that_of_tv(files):
    about, found = invert(files, "unrolled")
    assert "the map is that of tv: the network is for voxel edges of 0.5 to 3.5 mm, found 4 to 4 mm" in about["Note"]
    about, expected = invert(files, "tv")  # whose note does not stay
    assert "Note" not in about
    np.testing.assert_array_equal(found, expected)
