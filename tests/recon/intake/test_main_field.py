import numpy as np
import pytest

from recon.acquisition import GAMMA_HZ_PER_T
from recon.intake.main_field import main_field, main_field_problems

SIEMENS_MHZ = 123.19


def tesla(mhz):
    return mhz * 1e6 / GAMMA_HZ_PER_T


def problems(**facts):
    return [str(problem) for problem in main_field_problems("image.nii.gz", facts)]


def test_the_frequency_goes_before_the_nominal_field():
    found = main_field([{"MagneticFieldStrength": 3, "ImagingFrequency": SIEMENS_MHZ}])
    assert found.value == pytest.approx(tesla(SIEMENS_MHZ)) and found.value == pytest.approx(2.8934, abs=1e-4)
    assert str(found) == "2.893 T: ImagingFrequency 123.19 MHz of protons, as MagneticFieldStrength 3 T is nominal"


@pytest.mark.parametrize("told", [SIEMENS_MHZ * 1e6, [SIEMENS_MHZ] * 3, [1e6 * SIEMENS_MHZ, 1e6 * SIEMENS_MHZ]])
def test_hertz_and_lists_of_one_frequency_are_read(told):
    facts = {"MagneticFieldStrength": 3, "ImagingFrequency": told}
    assert problems(**facts) == []
    assert main_field([facts]).value == pytest.approx(tesla(SIEMENS_MHZ))


def test_the_frequency_of_any_echo_is_that_of_the_series():
    echoes = [{"MagneticFieldStrength": 3}, {"MagneticFieldStrength": 3, "ImagingFrequency": SIEMENS_MHZ}]
    assert main_field(echoes).value == pytest.approx(tesla(SIEMENS_MHZ))


@pytest.mark.parametrize(
    "told", [{}, {"ImagingFrequency": "123.19"}, {"ImagingFrequency": []}, {"ImagingFrequency": {}}]
)
def test_without_a_readable_frequency_the_field_is_taken_exactly(told):
    found = main_field([{"MagneticFieldStrength": 3} | told])
    assert found.value == 3.0
    assert "ImagingFrequency" in str(found)


@pytest.mark.parametrize(("mhz", "wrong"), [(115.1, False), (114.8, True), (140.3, False), (140.7, True), (33.8, True)])
def test_field_and_frequency_must_agree_within_a_tenth(mhz, wrong):
    found = problems(MagneticFieldStrength=3, ImagingFrequency=mhz)
    assert bool(found) == wrong
    assert not wrong or "χ depends on it; correct the wrong one in the sidecar" in found[0]


def test_frequencies_that_differ_within_a_list_are_refused():
    assert (
        "one ImagingFrequency for all echoes" in problems(MagneticFieldStrength=3, ImagingFrequency=[123.2, 127.7])[0]
    )


@pytest.mark.parametrize("nominal", [{"MagneticFieldStrength": 3}, {}])
def test_a_frequency_in_quotes_is_not_passed_over(nominal):
    (problem,) = problems(**nominal, ImagingFrequency="123.19")
    assert "found '123.19': write it as a number, without quotes" in problem
    assert problems(MagneticFieldStrength=3, ImagingFrequency="n/a") == []


@pytest.mark.parametrize("key", ["ImagedNucleus", "ResonantNucleus"])
def test_only_protons_are_mapped(key):
    assert problems(MagneticFieldStrength=3, **{key: "1H"}) == []
    assert problems(MagneticFieldStrength=3, **{key: ["1H"]}) == []
    assert "expected images of protons (1H), found" in problems(MagneticFieldStrength=3, **{key: "19F"})[0]


def test_susceptibility_follows_the_field():
    low, high = (main_field([{"MagneticFieldStrength": 3, "ImagingFrequency": f}]).value for f in (123.2, 127.7))
    assert np.isclose(high / low, 127.7 / 123.2)
