"""FSL's brain extraction where it is installed: fslpy finds it, nipype runs it."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

from recon.files.io import Volume, read_mask, write_volume
from recon.grid import Vector


def find_bet() -> Path | None:
    """FSL's ``bet`` in $FSLDIR/bin or on PATH, or None."""
    from fsl.utils.platform import platform  # imported late: most callers never need FSL

    home = Path(platform.fsldir) / "bin" if platform.fsldir else None
    found = (home and shutil.which("bet", path=home)) or shutil.which("bet")
    return Path(found) if found else None


def fsl_bet(magnitude: np.ndarray, voxel_size_mm: Vector, *, threshold: float) -> np.ndarray:
    """Brain mask by FSL's ``bet``.

    Parameters
    ----------
    magnitude : (X, Y, Z) array
        Magnitude, any unit; values that are not finite count as zero.
    voxel_size_mm : (3,)
        Edge lengths of a voxel.
    threshold : float
        Fractional intensity threshold, 0..1.

    Returns
    -------
    (X, Y, Z) bool array

    Raises
    ------
    ValueError
        Where the image is empty or FSL is not installed.
    RuntimeError
        Where ``bet`` fails and leaves no mask.
    """
    executable = find_bet()
    if executable is None:
        raise ValueError("FSL: expected bet in $FSLDIR/bin or on PATH, found none")
    os.environ.update(NO_ET="1", NIPYPE_NO_ET="1")  # nipype must not call home
    from nipype.interfaces.fsl import BET

    image = np.nan_to_num(magnitude, nan=0.0, posinf=0.0, neginf=0.0)
    if not image.any():
        raise ValueError("magnitude: expected a head, found only zeros")
    like = Volume(data=image, affine=np.diag([*voxel_size_mm, 1.0]))
    with tempfile.TemporaryDirectory() as folder:
        source, brain = Path(folder) / "magnitude.nii.gz", Path(folder) / "brain.nii.gz"
        write_volume(source, image, like)
        command = BET(in_file=str(source), out_file=str(brain), frac=threshold, mask=True, no_output=True)
        command.inputs.output_type = "NIFTI_GZ"  # whatever FSLOUTPUTTYPE says
        command.inputs.environ = {
            **command.inputs.environ,
            "FSLOUTPUTTYPE": "NIFTI_GZ",
            "PATH": f"{executable.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        mask = Path(folder) / "brain_mask.nii.gz"
        try:
            command.run(cwd=folder)
        except (RuntimeError, FileNotFoundError) as error:  # nipype takes any word on stderr for a failure
            if not mask.exists():
                raise RuntimeError(f"{executable}: expected a brain mask, found: {error}") from error
            warnings.warn(f"{executable} made a mask and printed an error: {error}", stacklevel=2)
        return read_mask(mask)
