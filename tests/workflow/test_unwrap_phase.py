"""The stage that unwraps, from file to file."""

import numpy as np

from recon.files.io import Volume, read_mask, read_volume, write_mask, write_volume
from recon.settings import defaults
from tests.recon.physics import VOXEL_SIZE_MM, acquisition
from tests.recon.test_departures import EVEN_S, MASK, RAMP, echoes, odd
from workflow.scripts import unwrap_phase

LIKE = Volume(data=None, affine=np.diag([*VOXEL_SIZE_MM, 1.0]))


def test_an_echo_with_an_offset_of_its_own_is_unwrapped_without_a_crack(tmp_path):
    at = {name: str(tmp_path / f"{name}.nii.gz") for name in ("phase", "magnitude", "mask")}
    made = {name: str(tmp_path / f"{name}.nii.gz") for name in ("unwrapped", "reliable", "singular")}
    phase_rad = echoes(odd(5, RAMP, EVEN_S), EVEN_S)
    write_volume(at["phase"], phase_rad, LIKE)
    write_volume(at["magnitude"], np.ones_like(phase_rad), LIKE)
    write_mask(at["mask"], MASK, LIKE)
    acquisition().write(tmp_path / "acquisition.json")
    facts = str(tmp_path / "acquisition.json")
    unwrap_phase.main(**at, acquisition=facts, **made, cfg=defaults("unwrap_phase"), threads=1)
    unwrapped_rad = read_volume(made["unwrapped"]).data[read_mask(made["reliable"])]
    off_rad = unwrapped_rad[:, 5] - unwrapped_rad[:, 4] - (unwrapped_rad[:, 4] - unwrapped_rad[:, 3])
    assert (off_rad - np.median(off_rad)).std() < 0.5 and np.abs(off_rad - np.median(off_rad)).max() < np.pi
    assert not read_volume(made["singular"]).data.any()
