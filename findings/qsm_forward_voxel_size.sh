#!/usr/bin/env bash
# qsm-forward exchanges the first two voxel sizes in the field that it makes of a susceptibility.
#
# generate_field of qsm-forward 0.32, and with it generate_bids, builds the dipole kernel with the first voxel size on
# the second axis and the second on the first. Where both are equal nothing is seen. Voxels of 2 x 1 x 1 mm get the
# field of voxels of 1 x 2 x 1 mm: inside a prolate ellipsoid along B0 the field even has the wrong sign. B0_dir is
# given axis by axis and taken rightly. Voxel sizes handed over with the first two exchanged give the right field.
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
"""An ellipsoid twice as long along the first axis, sampled at 1 mm and, as a ball of voxels, at 2 x 1 x 1 mm."""

import numpy as np
from qsm_forward import generate_field


def ellipsoid(shape):
    centre, half_axes = np.array(shape) / 2, 8 * np.array(shape) / 48
    at = (np.indices(shape) - centre[:, None, None, None]) / half_axes[:, None, None, None]
    return np.where((at**2).sum(axis=0) < 1, 1.0, 0.0)


# demagnetising factor along the long axis of a prolate ellipsoid (Osborn 1945); the field inside is 1/3 less that
# factor, as the kernel of QSM has the sphere of Lorentz in it
e = np.sqrt(1 - 1 / 4)
along = (1 - e**2) / e**3 * (np.arctanh(e) - e)
ball, long = ellipsoid((48, 48, 48)), ellipsoid((96, 48, 48))
for label, b0_dir, theory in ("first", (1, 0, 0), 1 / 3 - along), ("second", (0, 1, 0), 1 / 3 - (1 - along) / 2):
    print(f"B0 along the {label} axis: field inside / susceptibility {theory:+.2f} in theory")
    for chi, size in (long, (1, 1, 1)), (ball, (2, 1, 1)), (ball, (1, 2, 1)):
        field = generate_field(chi, voxel_size=list(size), B0_dir=list(b0_dir))
        print(f"    voxel_size {list(size)}: {field[chi > 0].mean():+.2f}")
PYTHON
diff seen - <<'EXPECTED'
B0 along the first axis: field inside / susceptibility +0.16 in theory
    voxel_size [1, 1, 1]: +0.16
    voxel_size [2, 1, 1]: -0.08
    voxel_size [1, 2, 1]: +0.16
B0 along the second axis: field inside / susceptibility -0.08 in theory
    voxel_size [1, 1, 1]: -0.08
    voxel_size [2, 1, 1]: +0.16
    voxel_size [1, 2, 1]: -0.08
EXPECTED
