import numpy as np
import pytest

from recon.intake.contents import (
    at_largest,
    copy_problems,
    cut_problems,
    decay_notes,
    kind_problems,
    noise_problems,
    order_notes,
    scale_notes,
    value_notes,
    value_problems,
)  # fmt: skip
from tests.recon.intake import echo_files as ef


@pytest.mark.parametrize("kind", ["uint8", "int8", "bits", "complex64", "complex128", "RGB", "datatype code 7"])
def test_voxels_that_are_no_measured_numbers_are_named(kind):
    (problem,) = kind_problems("e1.nii", kind)
    assert str(problem).startswith("e1.nii: expected voxels of one real number of at least 16 bits")


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "float32", "float64"])
def test_numbers_are_fine(kind):
    assert not kind_problems("e1.nii", kind)


def image(*values):
    data = np.linspace(1, 100, 24, dtype=np.float32).reshape(2, 3, 4)
    data.ravel()[: len(values)] = values
    return data


@pytest.mark.parametrize(
    ("part", "data", "found"),
    [
        ("mag", np.zeros((2, 3, 4)), "the value 0 in every voxel"),
        ("phase", np.full((2, 3, 4), 7.0), "the value 7 in every voxel"),
        ("phase", np.full((2, 3, 4), np.nan), "NaN or infinity in every voxel"),
        ("mag", image(-50), "values from -50"),
        ("real", image(), "1 to 100"),
        ("imag", image(0), "0 to 100"),
    ],
)
def test_impossible_values_are_named(part, data, found):
    (problem,) = value_problems("e1.nii", part, data)
    assert problem.file == "e1.nii"
    assert found in problem.found


@pytest.mark.parametrize(
    ("part", "data"),
    [("mag", image(0, np.nan)), ("mag", image(-0.05)), ("phase", image(-3)), ("real", image(-2)), ("imag", image(-2))],
)
def test_possible_values_are_fine(part, data):
    assert not value_problems("e1.nii", part, data)


def test_voxels_that_are_not_finite_are_counted():
    assert value_notes("e1.nii", image(np.nan, np.inf)) == [
        "e1.nii: 2 of 24 voxels are NaN or infinite and count as no signal"
    ]
    assert not value_notes("e1.nii", image())


def test_copies_are_named_with_their_original():
    problems = copy_problems({"e1_mag": b"a", "e1_phase": b"b", "e2_mag": b"a", "e2_phase": b"b"})
    assert [(p.file, p.found) for p in problems] == [
        ("e2_mag", "the same values as in e1_mag"),
        ("e2_phase", "the same values as in e1_phase"),
    ]


def test_a_signal_that_grows_is_noted():
    (note,) = order_notes(["e1", "e2", "e3"], [100, 80, 90])
    assert note.startswith("e3: 12% more signal than in the echo before, e2")
    assert not order_notes(["e1", "e2"], [100, 103])


HEAD = ef.head(0.012)
WHOLE = np.rint(16 * HEAD.real).astype(np.int16)


@pytest.mark.parametrize(
    ("part", "data", "found"),
    [
        ("real", WHOLE.byteswap(), "noise, or bytes read in another order"),
        ("mag", np.rint(np.abs(HEAD)).byteswap(), "bytes read in another order or type?"),
        ("imag", image(-1e30), "-1e+30 to 100: bytes read in another order or type?"),
        ("real", np.where(np.abs(HEAD) > 100, WHOLE, -32768), "-32768 in"),
        ("real", np.clip(WHOLE, -4000, 4000), "-4000 in"),
        ("phase", np.rint(np.angle(HEAD)), "7: rounded to whole numbers?"),
    ],
)
def test_values_that_were_broken_on_the_way_are_named(part, data, found):
    (problem,) = value_problems("e1.nii", part, np.asarray(data, dtype=np.float32))
    assert found in problem.found


@pytest.mark.parametrize("part", [np.real, np.imag, np.abs])
def test_a_head_is_not_taken_for_noise(part):
    data = part(ef.head(0.012, noise=300.0)).astype(np.float32)
    assert not value_problems("e1.nii", "mag" if part is np.abs else "real", data)


def test_phase_that_was_clipped_is_named():
    magnitude, phase = np.abs(HEAD), ef.siemens_rescaled(HEAD)
    (problem,) = cut_problems("e1.nii", np.maximum(phase, 0), magnitude)
    assert "0, its minimum, in" in problem.found
    assert not cut_problems("e1.nii", phase, magnitude)
    air = magnitude < 100
    assert not cut_problems("e1.nii", np.where(air, -4096, phase), np.where(air, 0, magnitude))


def test_phase_that_alternates_from_voxel_to_voxel_is_no_noise():
    signal = ef.head(ef.TE_S[0]) * (-1.0) ** np.indices(ef.SHAPE).sum(0)
    assert not noise_problems("e1.nii", np.angle(signal), np.abs(signal))
    assert not noise_problems("e1.nii", np.full(ef.SHAPE, np.nan), np.abs(signal))


def test_a_magnitude_of_few_grey_values_is_noted_once():
    fine = np.random.default_rng(0).exponential(size=(16, 16, 16))
    names, coarse = ["e1.nii", "e2.nii"], np.rint(2 * fine)
    assert not scale_notes(names, [at_largest(fine), at_largest(0.9 * fine)])
    (note,) = scale_notes(names, [at_largest(coarse), at_largest(0.9 * coarse)])
    assert note.startswith("e1.nii: 14 different values where there is signal")
    (note,) = scale_notes(names[:1], [at_largest(coarse > 1)])  # of two values one is the largest
    assert "cut off?" in note


def test_a_signal_that_hardly_decays_is_noted():
    te_s = np.array([0.004, 0.02])
    assert not decay_notes(te_s, np.exp(-9 * te_s))
    (note,) = decay_notes(te_s, np.exp(-1 * te_s))
    assert note.startswith("the signal hardly decays from the first echo to the last (R2* 1.0 1/s;")
    assert not decay_notes(te_s / 10, np.exp(-1 * te_s / 10))  # too short to be seen
