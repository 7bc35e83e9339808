#!/usr/bin/env bash
# qsm-forward lays the true susceptibility beside its own signal where B0 is oblique and voxels are made larger.
#
# generate_bids of qsm-forward 0.32 turns the affine so that B0 lies along B0_dir, and resamples the map of
# susceptibility to the voxel size that was asked for. The new affine is the old one with its three diagonal elements
# scaled alone: where the axes are tilted this is another grid, with voxels of another size and about another centre.
# The echoes are not resampled by it, but cut out in k-space, and then get the same affine. So true map, mask and
# segmentation no longer lie where the echoes have the head, voxel by voxel, and the affine of all files tells a wrong
# voxel size, although shapes and affines agree and nothing is said. Either option alone is right.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "qsm-forward==0.32" "numpy==2.4.6" "nibabel==5.4.2" \
    "scipy==1.17.1" "dipy==1.12.1" "nilearn==0.14.1"

env/bin/python - <<'PYTHON' | tee seen
"""A ball of 0.1 ppm in voxels of 1 mm: where it lies in the echo and in the true map, in voxels."""

import contextlib
import io
from pathlib import Path

import nibabel
import numpy as np
import qsm_forward

distance = np.linalg.norm(np.indices((32, 32, 32)) - 16, axis=0)
chi = np.where(distance < 8, 0.1, 0).astype(np.float32)
oblique, larger = {"B0_dir": np.array([0, np.sin(0.4), np.cos(0.4)])}, {"voxel_size": np.array([2.0, 2.0, 2.0])}


def centre(image):
    return " ".join(f"{value:.1f}" for value in np.argwhere(image > image.max() / 2).mean(axis=0))


for label, options in {"oblique": oblique, "larger voxels": larger, "both": oblique | larger}.items():
    params = qsm_forward.ReconParams(TEs=np.array([0.005]), generate_phase_offset=False, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        qsm_forward.generate_bids(qsm_forward.TissueParams(chi=chi), params, label)
    echo = nibabel.load(Path(label, "sub-1", "anat", "sub-1_part-mag_T2starw.nii"))
    true = nibabel.load(Path(label, "derivatives", "qsm-forward", "sub-1", "anat", "sub-1_Chimap.nii"))
    assert echo.shape == true.shape and np.array_equal(echo.affine, true.affine)
    zooms = " ".join(f"{zoom:.2f}" for zoom in echo.header.get_zooms())
    echo, true = echo.get_fdata(), true.get_fdata()
    common = np.sum((echo > echo.max() / 2) & (true > true.max() / 2)) / np.sum(true > true.max() / 2)
    print(f"{label}: voxels of {zooms} mm; ball at {centre(echo)} and {centre(true)}, {common:.0%} in common")
PYTHON
diff seen - <<'EXPECTED'
oblique: voxels of 1.00 1.00 1.00 mm; ball at 16.0 16.0 16.0 and 16.0 16.0 16.0, 100% in common
larger voxels: voxels of 2.00 2.00 2.00 mm; ball at 8.0 8.0 8.0 and 8.0 8.0 8.0, 100% in common
both: voxels of 2.00 1.88 1.88 mm; ball at 8.0 8.0 8.0 and 8.0 6.7 9.9, 55% in common
EXPECTED
