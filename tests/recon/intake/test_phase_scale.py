import json

import numpy as np
import pytest

from recon.files.io import read_volume
from recon.intake.phase_scale import observe, phase_scale, radians_notes
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef


def scale_of(raws, phase_range=None, **facts):
    observed = [observe(np.float32(raw), f"e{i}.nii", phase_range) for i, raw in enumerate(raws, 1)]
    return phase_scale(observed, [facts] * len(raws), phase_range)


def refused(raws, phase_range=None, **facts):
    with pytest.raises(IntakeError) as error:
        scale_of(raws, phase_range, **facts)
    return str(error.value)


@pytest.fixture(scope="module")
def signals():
    return ef.echoes()


@pytest.mark.parametrize(
    ("stored", "facts"),
    [
        (np.angle, {"Units": "rad"}),
        (np.angle, {"Units": "rad", "Manufacturer": "Canon"}),
        (ef.positive, {"Units": "rad"}),
        (ef.milliradians, {"Units": "mrad"}),
        (ef.siemens, {"Manufacturer": "SIEMENS", "Units": "arbitrary"}),
        (ef.siemens_rescaled, {"Manufacturer": "Siemens"}),
        (ef.philips_pixels, {"Manufacturer": "Philips Medical Systems"}),
        (ef.philips_display, {"Manufacturer": "Philips"}),
        (np.angle, {"Manufacturer": "Philips"}),
        (ef.milliradians, {"Manufacturer": "GE MEDICAL SYSTEMS"}),
    ],
)
def test_what_scanners_store_becomes_radians(signals, stored, facts):
    raws = [stored(z) for z in signals]
    decision = scale_of(raws, **facts)
    scale, reason = decision.value, str(decision)
    for z, raw in zip(signals, raws, strict=True):
        error = np.exp(1j * (scale.slope * raw + scale.intercept)) * np.exp(-1j * np.angle(z))
        assert np.abs(np.angle(error)).max() < 0.002
    assert ("Units" in reason) or (facts["Manufacturer"].split()[0].lower() in reason.lower())


@pytest.mark.parametrize("stored", [np.angle, ef.siemens_rescaled, lambda z: 0.01 * np.angle(z)])
def test_the_config_says_the_range_of_an_unknown_scanner(signals, stored):
    turn = float(abs(stored(np.complex64(-1 + 1e-9j))))
    decision = scale_of([stored(z) for z in signals], [-turn, turn], Manufacturer="UIH")
    assert decision.value.slope == pytest.approx(np.pi / turn)
    assert "phase_range" in str(decision)
    assert not decision.notes


@pytest.mark.parametrize("facts", [{}, {"Manufacturer": "UIH"}, {"Manufacturer": ""}, {"B0_dir": [0, 0, 1]}])
@pytest.mark.parametrize("echoes", [1, 3])
def test_wrapped_values_from_minus_pi_to_pi_are_radians_where_nothing_tells_their_unit(signals, facts, echoes):
    decision = scale_of([np.angle(z) for z in signals[:echoes]], **facts)
    assert decision.value == (1, 0)
    assert "Units none and Manufacturer" in str(decision)
    (note,) = decision.notes
    assert "taken for radians, as values from -3.14" in note


@pytest.mark.parametrize(
    "stored",
    [
        lambda z: 0.99 * np.angle(z),
        lambda z: 1.003 * np.angle(z),
        ef.positive,
        ef.milliradians,
        lambda z: np.angle(z) / 2,
        lambda z: np.linspace(-np.pi, np.pi, z.size).reshape(z.shape),
    ],
    ids=["short", "long", "positive", "milliradian", "half", "unwrapped"],
)
def test_other_values_of_no_known_unit_stay_refused(signals, stored):
    assert "Units none and Manufacturer none" in refused([stored(z) for z in signals])


@pytest.mark.parametrize(
    ("stored", "facts", "found"),
    [
        (ef.siemens, {"Manufacturer": "UIH"}, "Units none and Manufacturer 'UIH' with values from 0 to 4095"),
        (ef.siemens, {}, "Manufacturer none"),
        (np.angle, {"Units": "arbitrary"}, "Units 'arbitrary'"),
        (np.angle, {"Units": "Hz", "Manufacturer": "Siemens"}, "Units 'Hz'"),
        (np.angle, {"Units": ["rad"]}, "Units"),
        (np.angle, {"Manufacturer": "Siemens"}, "values from -3.14"),
        (np.angle, {"Manufacturer": "GE"}, "values from -3.14"),
        (ef.milliradians, {"Manufacturer": "Siemens"}, "76.7% of -4096 to 4096"),
        (ef.siemens_rescaled, {"Manufacturer": "GE"}, "values from -4096"),
        (ef.siemens, {"Units": "rad"}, "values from 0 to 4095"),
        (lambda z: np.angle(z) * 1.5, {"Units": "rad"}, "values from -4.7"),
        (lambda z: np.angle(z) * 0.93, {"Units": "rad"}, "93.0% of -3.14159"),
        (lambda z: np.angle(z) * 0.0036743776 / np.pi, {"Units": "rad"}, "0.1% of -3.14159"),
        (lambda z: 4095 * np.abs(z) / 920, {"Manufacturer": "Siemens"}, "0.00% wraps"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_doubt_is_refused_with_the_choice_to_set(signals, stored, facts, found):
    raws = [np.minimum(stored(z), 4095) for z in signals]
    message = refused(raws, **facts)
    assert found in message
    assert '--config "prepare_echoes={phase_range: [' in message
    assert "e1.nii" in message or "e2.nii" in message or "e3.nii" in message


@pytest.mark.parametrize(
    ("stored", "line"),
    [
        (lambda z: np.angle(z) / (2 * np.pi), "[-0.5, 0.5]"),
        (lambda z: np.rint(np.angle(z) * 2048 / np.pi), "[-2048, 2048]"),
        (lambda z: np.rint(np.angle(z) * 32767 / np.pi), "[-32768, 32768]"),
        (ef.siemens, "[0, 4096]"),
    ],
)
def test_the_line_for_ends_of_a_common_unit_reads_the_phase(signals, stored, line):
    raws = [stored(z) for z in signals]
    assert f'"prepare_echoes={{phase_range: {line}}}"' in refused(raws, Manufacturer="Canon")
    scale = scale_of(raws, json.loads(line), Manufacturer="Canon").value
    unlike = np.exp(1j * (scale.slope * raws[0] + scale.intercept)) * np.exp(-1j * np.angle(signals[0]))
    assert np.abs(np.angle(unlike)).max() < 0.01


def test_a_range_of_the_config_that_the_values_pass_is_refused(signals):
    message = refused([ef.siemens_rescaled(z) for z in signals], [-4000, 4000])
    assert "expected wrapped phase that fills -4000 to 4000 (config prepare_echoes.phase_range)" in message


@pytest.mark.parametrize("stored", [np.angle, ef.milliradians, ef.siemens, lambda z: 500 / np.pi * np.angle(z)])
def test_a_range_of_the_config_is_refused_where_the_values_wrap_elsewhere(signals, stored):
    message = refused([stored(z) for z in signals], [-4096, 4096], Units="rad")
    assert "expected phase of which -4096 to 4096 is one turn in every echo" in message
    assert "between which they wrap" in message


def test_phase_that_never_wraps_is_taken_with_a_note_only_where_the_config_says_its_range():
    raws = [np.linspace(-1, 1, 4000).reshape(20, 20, 10)]
    assert "31.8% of -3.14159 to 3.14159" in refused(raws, Units="rad")
    decision = scale_of(raws, [-np.pi, np.pi], Units="rad")
    assert decision.value.slope == pytest.approx(1)
    assert "fill 32%" in decision.notes[0]


def test_one_echo_may_stay_short_of_the_turn_that_the_series_fills_but_not_be_constant(signals):
    short = 0.5 * np.abs(signals[0]) / np.abs(signals[0]).max()
    assert scale_of([2 * short, *map(np.angle, signals[1:])], Units="rad").value.slope == 1
    assert "e1.nii: expected phase of which" in refused([short, *map(np.angle, signals[1:])], Units="rad")


@pytest.mark.parametrize("odd", [np.angle, ef.milliradians, ef.siemens])
def test_an_echo_on_another_scale_than_its_series_is_named(signals, odd):
    raws = [ef.siemens_rescaled(signals[0]), odd(signals[1]), ef.siemens_rescaled(signals[2])]
    message = refused(raws, Manufacturer="Siemens")
    assert "e2.nii: expected phase of which -4096 to 4096 is one turn in every echo" in message


def test_a_unit_of_any_depth_is_told_in_short(signals):
    units: list = []
    for _ in range(900):
        units = [units]
    assert len(refused([np.angle(z) for z in signals], Units=units)) < 1000


def test_echoes_whose_sidecars_disagree_are_refused(signals):
    observed = [observe(np.angle(z), "p.nii", None) for z in signals]
    with pytest.raises(IntakeError, match="Units 'arbitrary', 'rad'"):
        phase_scale(observed, [{"Units": "rad"}, {"Units": "arbitrary"}, {"Units": "rad"}], None)


def test_voxels_that_are_not_finite_do_not_matter(signals):
    raws = [np.angle(z) for z in signals]
    for raw in raws:
        raw[3, 3, :5] = [np.nan, np.inf, -np.inf, np.nan, np.inf]
    assert scale_of(raws, Units="rad").value == (1, 0)


def test_the_real_head_is_in_radians(shared_data):
    folder = shared_data / "philips_2echo"
    raws = [read_volume(folder / f"2001_WIP_fcMRI_Field_Mapping_cl_e{e}_ph.nii.gz").data for e in (1, 2)]
    assert scale_of(raws, Manufacturer="Philips").value == pytest.approx((1, 0))
    assert "values from -3.14" in refused(raws, Manufacturer="Siemens")


def test_the_real_crop_in_an_odd_unit_is_refused_and_read_by_its_range(shared_data):
    raws = [read_volume(shared_data / "romeo_crop_3echo" / "Phase.nii", e).data for e in range(3)]
    assert "values from -0.00367" in refused(raws, Units="rad")
    decision = scale_of(raws, [-0.0036743776, 0.0036743776])
    assert decision.value.slope == pytest.approx(np.pi / 0.0036743776)
    assert not decision.notes


def test_real_phase_beyond_a_turn_is_refused(shared_data):
    file = shared_data / "romeo_crop_3echo" / "phase_with_nan.nii"
    if not file.is_file():
        pytest.skip(f"{file.name} is not among the real images of this machine")
    raws = [read_volume(file, e).data for e in range(2)]
    assert "values from -4.65724 to 4.70933" in refused(raws, Units="rad")


def radians(raws):
    return radians_notes([observe(np.float32(raw), f"e{i}.nii", None) for i, raw in enumerate(raws, 1)])


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (lambda z: np.degrees(np.angle(z)), "if these are degrees, the phase is 0.0174533 * value"),
        (ef.siemens, "if these are pixels of 12 bits, the phase is 0.00153398 * value -3.14159"),
        (lambda z: np.angle(z) / (2 * np.pi), "if these are turns, the phase is 6.28319 * value"),
        (lambda z: np.angle(z) / 100, "between which they wrap"),
        (lambda z: np.abs(z), "store it in radians, not unwrapped"),
        (lambda z: np.unwrap(np.unwrap(np.angle(z), axis=0), axis=1) + 20, "store it in radians, not unwrapped"),
    ],
    ids=["degrees", "pixels", "turns", "hundredths", "magnitude", "unwrapped"],
)
def test_values_that_must_be_radians_and_are_not_are_refused_with_the_factor(signals, stored, said):
    with pytest.raises(IntakeError) as error:
        radians([stored(z) for z in signals])
    assert said in str(error.value) and "radians" in str(error.value)


@pytest.mark.parametrize("stored", [np.angle, ef.positive])
def test_wrapped_radians_need_no_note(signals, stored):
    assert radians([stored(z) for z in signals]) == ()
