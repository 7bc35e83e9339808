"""The stage t1_map: the user's map of the transmit field undoes what the flip angles were not."""

import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.files.io import Volume, read_json, read_volume, write_mask, write_volume
from workflow.scripts.t1_map import main

SHAPE, T1_S, TR_S, TE_S, FLIPS_DEG = (8, 6, 5), 1.2, 0.036, (0.005, 0.010), (6.0, 24.0)
GRID = Volume(data=None, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
B1 = np.linspace(0.7, 1.2, SHAPE[0], dtype=np.float32)[:, None, None] * np.ones(SHAPE, np.float32)


def signal(flip_deg: float) -> np.ndarray:
    """Spoiled gradient echo of tissue of one T1 under the true flip angles."""
    angle, recovery = np.deg2rad(flip_deg) * B1, np.exp(-TR_S / T1_S)
    return (1000 * np.sin(angle) * (1 - recovery) / (1 - recovery * np.cos(angle))).astype(np.float32)


@pytest.fixture
def files(tmp_path) -> dict:
    """What the stage reads and writes; `b1` is the map in percent."""
    low, sidecars = [], []
    for part, data in (("mag", signal(FLIPS_DEG[0])), ("phase", np.zeros(SHAPE, np.float32))):
        for echo, te_s in enumerate(TE_S, 1):
            stem = tmp_path / f"sub-01/anat/sub-01_acq-low_echo-{echo}_part-{part}_MEGRE"
            facts = {"EchoTime": te_s, "FlipAngle": FLIPS_DEG[0], "RepetitionTime": TR_S, "MagneticFieldStrength": 3.0}
            write_volume(f"{stem}.nii.gz", data, GRID, facts)
            low.append(f"{stem}.nii.gz")
            sidecars.append(f"{stem}.json")
    names = ("magnitude", "mask", "b1", "t1", "pd")
    paths = {name: str(tmp_path / f"{name}.nii.gz") for name in names} | {"acquisition": str(tmp_path / "acq.json")}
    write_volume(paths["magnitude"], np.stack([signal(FLIPS_DEG[1])] * 2, axis=-1), GRID)
    write_mask(paths["mask"], np.ones(SHAPE, bool), GRID)
    write_volume(paths["b1"], 100 * B1, GRID)
    about = {"b0_tesla": 3.0, "b0_dir": (0.0, 0.0, 1.0), "voxel_size_mm": (2.0, 2.0, 2.0)}
    Acquisition(te_s=TE_S, tr_s=TR_S, flip_angle_deg=FLIPS_DEG[1], **about).write(paths["acquisition"])
    return paths | {"low_flip": low, "sidecars": sidecars}


def test_a_b1_map_gives_the_true_t1(files):
    main(**files, user="bids:user:sub-01/fmap/sub-01_TB1map.nii.gz")
    np.testing.assert_allclose(read_volume(files["t1"]).data, T1_S, rtol=1e-3)
    sidecar = read_json(files["t1"].replace(".nii.gz", ".json"))
    assert sidecar["B1Unit"] == "percent: Units none, a median of 95"
    assert sidecar["B1Corrected"] is True and "bids:user:sub-01/fmap/sub-01_TB1map.nii.gz" in sidecar["Sources"]


def test_without_one_the_error_of_t1_is_that_of_the_angle_squared(files):
    main(**{name: path for name, path in files.items() if name != "b1"})
    np.testing.assert_allclose(read_volume(files["t1"]).data, T1_S * B1**2, rtol=0.06)
    assert read_json(files["t1"].replace(".nii.gz", ".json"))["B1Corrected"] is False


def test_holes_of_the_b1_map_are_told(files):
    write_volume(files["b1"], np.where(np.arange(SHAPE[0])[:, None, None] < 2, 0, 100 * B1), GRID)
    main(**files, user="bids:user:sub-01/fmap/sub-01_TB1map.nii.gz")
    told = read_json(files["t1"].replace(".nii.gz", ".json"))["B1Missing"]
    assert told == "in 25.0% of the brain mask, where T1 and PD are zero"
