"""A decoder that ends its process does not end ours."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless

from recon.intake.dicom import decode
from recon.intake.dicom.decode import decoded
from recon.problems import IntakeError

# ITU-T T.87 (1998), annex H.3: an image of 4×4 and the bytes that it becomes
STANDARD_IMAGE = [[0, 0, 90, 74], [68, 50, 43, 205], [64, 145, 145, 145], [100, 145, 145, 145]]
STANDARD_BYTES = bytes.fromhex(
    "FFD8 FFF7000B08000400040101 1100 FFDA0008010100000000"
    "C000006C80208E01C00000574000006EE6000001BC18000005D800009160 FFD9"
)


PLAIN = Path(get_testdata_file("MR_small.dcm"))


def test_the_end_of_the_other_process_is_an_error_and_the_next_call_gets_a_new_one():
    expected = pydicom.dcmread(PLAIN).pixel_array
    np.testing.assert_array_equal(decoded(PLAIN), expected)
    decode._process(os.getpid()).kill()
    with pytest.raises(ValueError, match="end the decoder"):
        decoded(PLAIN)
    np.testing.assert_array_equal(decoded(PLAIN), expected)


def test_errors_of_the_other_process_come_through_and_it_goes_on(tmp_path):
    with pytest.raises(ValueError, match="^FileNotFoundError: "):
        decoded(tmp_path / "lost.dcm")
    assert decoded(PLAIN).shape == (64, 64)


def test_the_main_module_of_the_caller_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"  # without a guard, as in a notebook
    script.write_text(
        f"print('ran')\nfrom recon.intake.dicom.decode import decoded\nprint(decoded({str(PLAIN)!r}).shape)\n"
    )
    command = [sys.executable, str(script)]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=path, cwd=tmp_path)
    assert done.stdout == "ran\n(64, 64)\n"
    assert done.stderr == ""


def test_a_decoder_that_does_not_start_is_no_fault_of_the_pixels(monkeypatch):
    decode._process.cache_clear()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(IntakeError, match="a Python process that decodes compressed pixels, found exit status 1"):
        decoded(PLAIN)


def test_jpeg_ls_is_decoded_as_its_standard_says(tmp_path):
    content = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    content.Rows = content.Columns = 4
    content.BitsAllocated, content.BitsStored, content.HighBit, content.PixelRepresentation = 8, 8, 7, 0
    content.PixelData = encapsulate([STANDARD_BYTES])
    content["PixelData"].VR, content["PixelData"].is_undefined_length = "OB", True
    content.file_meta.TransferSyntaxUID = JPEGLSLossless
    content.save_as(tmp_path / "standard.dcm")
    np.testing.assert_array_equal(decoded(tmp_path / "standard.dcm"), STANDARD_IMAGE)
