"""The same head as several vendors would store it gives the same susceptibility, whatever the form and the geometry."""

from itertools import product

import numpy as np
import pytest

from recon.intake.scan import CARTESIAN
from recon.phantom.vendor import VARIANTS
from tests.recon.intake.vendor_table import ALL, FORMS, GEOMETRIES, chi_difference, phase_difference

STEP_RAD = 2 * np.pi / 4096  # of a phase in twelve bits
TOLERANCE_PPM = 1e-3
CASES = [
    (vendor, form, geometry)
    for vendor, form, geometry in product(ALL, FORMS, GEOMETRIES)
    if not (vendor in VARIANTS and FORMS[form].parts == CARTESIAN)  # variants differ in the phase alone
]


@pytest.mark.parametrize(("vendor", "form", "geometry"), CASES)
def test_phase_is_that_of_the_signal(vendor, form, geometry):
    assert phase_difference(ALL[vendor], FORMS[form], GEOMETRIES[geometry]) < STEP_RAD


@pytest.mark.parametrize(("vendor", "geometry"), list(product(ALL, GEOMETRIES)))
def test_susceptibility_is_that_of_the_reference(vendor, geometry):
    form = next(form for form in FORMS.values() if form.parts == ALL[vendor].parts)
    largest_ppm, _ = chi_difference(ALL[vendor], form, GEOMETRIES[geometry])
    assert largest_ppm < TOLERANCE_PPM
