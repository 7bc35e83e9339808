"""A decoder that ends its process does not end ours."""

import os

import pytest

from recon.intake.dicom.decode import apart


def test_the_end_of_the_other_process_is_an_error_and_the_next_call_gets_a_new_one():
    with pytest.raises(ValueError, match="end the decoder"):
        apart(os._exit, 1)
    assert apart(divmod, 7, 2) == (3, 1)


def test_errors_of_the_other_process_come_through():
    with pytest.raises(ZeroDivisionError):
        apart(divmod, 1, 0)
