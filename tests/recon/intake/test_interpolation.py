import numpy as np
import pytest

from recon.files.io import read_volume
from recon.intake.interpolation import acquired_matrix, interpolation_notes
from tests.recon.intake import echo_files as ef


def zero_filled(signal, axis, n):
    """Enlarge a matrix along one axis by zeros around k-space."""
    k = np.fft.fftshift(np.fft.fft(signal, axis=axis), axes=axis)
    before = n // 2 - signal.shape[axis] // 2
    widths = [(0, 0)] * 3
    widths[axis] = (before, n - signal.shape[axis] - before)
    return np.fft.ifft(np.fft.ifftshift(np.pad(k, widths), axes=axis), axis=axis) * n / signal.shape[axis]


def stored(signal):
    """As whole magnitudes and twelve bits of phase keep it."""
    return np.rint(np.abs(signal)) * np.exp(1j * (ef.siemens(signal) * 2 * np.pi / 4096 - np.pi))


@pytest.mark.parametrize(("axis", "n"), [(0, 40), (0, 56), (1, 48), (1, 49), (2, 48)])
def test_zeros_around_k_space_are_seen_in_stored_images(axis, n):
    z = stored(zero_filled(ef.head(0.004), axis, n))
    expected = tuple(ef.SHAPE[a] for a in range(3))
    assert acquired_matrix(z) == expected


def test_both_axes_of_a_slice_are_reported_with_their_voxels():
    z = stored(zero_filled(zero_filled(ef.head(0.004), 0, 42), 1, 48))
    assert interpolation_notes(z, (1.0, 1.0, 2.0)) == (
        "zero-filled: 28 of 42 samples acquired along axis 0 (voxel 1.00 mm stored, 1.50 mm acquired)",
        "zero-filled: 32 of 48 samples acquired along axis 1 (voxel 1.00 mm stored, 1.50 mm acquired)",
    )


def test_partial_fourier_counts_what_was_measured():
    k = np.fft.fft(ef.head(0.004), axis=0)
    k[-14:-6] = 0
    z = stored(zero_filled(np.fft.ifft(k, axis=0), 0, 56))
    assert acquired_matrix(z)[0] == 20


@pytest.mark.parametrize("noise", [0.1, 10, 100])
@pytest.mark.parametrize("te_s", [0.004, 0.02])
def test_ordinary_images_are_left_alone(noise, te_s):
    assert acquired_matrix(stored(ef.head(te_s, noise))) == ef.SHAPE


def test_noise_and_emptiness_are_left_alone():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((40, 33, 20)) + 1j * rng.standard_normal((40, 33, 20))
    assert acquired_matrix(noise) == noise.shape
    assert acquired_matrix(0 * noise) == noise.shape


def test_real_images_are_left_alone(shared_data):
    stem = shared_data / "philips_2echo" / "2001_WIP_fcMRI_Field_Mapping_cl_e1"
    head = read_volume(f"{stem}.nii.gz").data * np.exp(1j * read_volume(f"{stem}_ph.nii.gz").data)
    crop = shared_data / "romeo_crop_3echo"
    phase_rad = read_volume(crop / "Phase.nii", 0).data * np.pi / 0.0036743776
    part = read_volume(crop / "Mag.nii", 0).data * np.exp(1j * phase_rad)
    assert acquired_matrix(head) == head.shape
    assert acquired_matrix(part) == part.shape
