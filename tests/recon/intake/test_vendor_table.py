"""The same head as several vendors would store it gives the same susceptibility, whatever the form and the geometry."""

from itertools import product

import numpy as np
import pytest

from recon.intake.scan import CARTESIAN
from recon.phantom.vendor import VARIANTS
from tests.recon.intake.vendor_table import ALL, FORMS, GEOMETRIES, chi_difference, own_form, phase_difference

STEP_RAD = 2 * np.pi / 4096  # of a phase in twelve bits
TOLERANCE_PPM = 1e-3
CASES = [
    (vendor, form, geometry)
    for vendor, form, geometry in product(ALL, FORMS, GEOMETRIES)
    if not (vendor in VARIANTS and FORMS[form].parts == CARTESIAN)  # variants differ in the phase alone
]
CASES.sort(key=lambda case: case[1] == own_form(case[0]))  # last, for the test of susceptibility to find it taken in


@pytest.mark.parametrize(("vendor", "form", "geometry"), CASES)
def test_phase_is_that_of_the_signal(vendor, form, geometry):
    assert phase_difference(vendor, form, geometry) < STEP_RAD


@pytest.mark.parametrize(("vendor", "geometry"), list(product(ALL, GEOMETRIES)))
def test_susceptibility_is_that_of_the_reference(vendor, geometry):
    largest_ppm, _ = chi_difference(vendor, own_form(vendor), geometry)
    assert largest_ppm < TOLERANCE_PPM
