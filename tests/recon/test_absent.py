import subprocess
import sys

import pytest

from recon.files.absent import absent

WRITES = """
import sys
import numpy as np
from recon.files.io import Volume, read_volume, write_volume
write_volume("one.nii.gz", np.ones((2, 3, 4), np.float32), Volume(data=np.empty(0), affine=np.eye(4)))
assert read_volume("one.nii.gz").data.sum() == 24
assert "nibabel" in sys.modules and "pydicom" not in sys.modules
import pydicom
print(pydicom.Dataset())
"""


def test_a_job_that_writes_images_loads_no_pydicom_and_one_that_needs_it_still_can(tmp_path):
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {sys.path[0]!r})\n{WRITES}"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": ":".join(filter(None, sys.path))}, check=True)


def test_what_is_absent_comes_back():
    with absent("a_package_of_that_name"), pytest.raises(ModuleNotFoundError):
        import a_package_of_that_name  # noqa: F401
    assert "a_package_of_that_name" not in sys.modules
    with absent("sys"):  # loaded before
        assert sys.modules["sys"] is sys
