import numpy as np
import pytest

from recon.intake.phase_filter import phase_filter, spread
from recon.problems import IntakeError

EDGE_MM = (3.0, 3.0, 3.0)
SHAPE = (64, 72, 40)


def head(te_s, b0_tesla, noise=0.02, seed=0):
    """A ball with a smooth field of some 0.2 ppm, small sources, and noise."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.8
    rng = np.random.default_rng(seed)
    fine = np.zeros(SHAPE)
    for _ in range(30):
        centre, r = rng.uniform(-0.6, 0.6, 3), 0.12
        d2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
        fine += rng.choice([-0.3, 0.3]) * np.exp(-d2 / r**2)
    ppm = 0.3 * (x * y + y * z + z**2 - 0.4) + fine
    signal = inside * np.exp(2j * np.pi * 42.577 * b0_tesla * te_s * ppm)
    return signal + noise * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))


def homodyne(z, window):
    """Less the phase of what a window in the plane of the slices lets pass."""
    k = np.fft.fftshift(np.fft.fft2(z, axes=(0, 1)), axes=(0, 1))
    low = np.zeros(SHAPE[:2])
    a, b = (n // 2 - window // 2 for n in SHAPE[:2])
    low[a : a + window, b : b + window] = np.outer(np.hanning(window), np.hanning(window))
    smooth = np.fft.ifft2(np.fft.ifftshift(k * low[..., None], axes=(0, 1)), axes=(0, 1))
    return z * np.exp(-1j * np.angle(smooth))


def judged(z, te_s=0.02, setting="refuse", **facts):
    return phase_filter(spread(z, EDGE_MM), facts, te_s, "phase.nii.gz", setting)


@pytest.mark.parametrize("b0_tesla", [1.5, 3.0, 7.0])
@pytest.mark.parametrize("te_s", [0.005, 0.02, 0.03])
def test_unfiltered_phase_passes_without_a_note(b0_tesla, te_s):
    found = judged(head(te_s, b0_tesla), te_s)
    assert (found.value, found.notes) == (False, ())


@pytest.mark.parametrize("window", [16, 24])
def test_filtered_phase_is_refused_with_what_to_export(window):
    with pytest.raises(IntakeError, match="export the phase of the gradient echo itself"):
        judged(homodyne(head(0.03, 3.0), window))


def test_what_is_no_head_is_noted_where_the_user_says_so():
    filtered = homodyne(head(0.03, 3.0), 24)
    with pytest.raises(IntakeError, match=r"prepare_echoes=\{phase_filter: note\}"):
        judged(filtered)
    found = judged(filtered, setting="note")
    assert found.value and "the phase may be filtered" in found.notes[0]


@pytest.mark.parametrize(
    "told",
    [
        *(["PRIMARY", "P", word] for word in ["FILTERED", "HIGHPASS", "HP", "HPF", "HOMODYNE", "SWI", "SWIP", "SWAN"]),
        "DERIVED\\PRIMARY\\P\\FILTERED_PHASE",
    ],
)  # fmt: skip
def test_words_of_the_image_type_are_a_witness_of_their_own(told):
    found = judged(head(0.02, 3.0), ImageType=told)
    assert found.value and "the phase may be filtered" in found.notes[0]


@pytest.mark.parametrize(
    "told", [["ORIGINAL", "PRIMARY", "P", "ND"], ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"], None, 5]
)
def test_common_image_types_tell_of_no_filter(told):
    assert judged(head(0.02, 3.0), ImageType=told).notes == ()


def test_both_witnesses_together_need_less():
    z = homodyne(head(0.02, 3.0), 12)
    assert 0.4 < spread(z, EDGE_MM).ratio < 0.5
    assert judged(z).value
    with pytest.raises(IntakeError, match="filtered phase"):
        judged(z, ImageType=["P", "SWI"])


def test_the_first_echo_tells_of_a_filter_that_the_last_no_longer_shows():
    late, early = spread(head(0.02, 3.0), EDGE_MM), spread(homodyne(head(0.005, 3.0), 12), EDGE_MM)
    assert 0.1 < early.ratio < 0.65 and not early.flat
    found = phase_filter(late, {}, 0.02, "phase.nii.gz", "refuse", first=early)
    assert found.value and "in the first echo phase spreads" in found.notes[0]
    assert phase_filter(late, {}, 0.02, "phase.nii.gz", "refuse", first=late).notes == ()


def test_a_small_object_is_not_judged():
    found = judged(head(0.02, 3.0)[:20, :20, :20])
    assert str(found).startswith("unknown") and found.notes == ()


def test_phase_that_hardly_varies_is_noted_and_not_refused():
    flat = np.abs(head(0.02, 3.0)) * np.exp(0.05j * np.random.default_rng(0).normal(size=SHAPE))
    assert "the phase may be filtered" in judged(flat).notes[0]
