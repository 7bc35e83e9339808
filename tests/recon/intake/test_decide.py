import json
import re
import tracemalloc
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from recon.intake.alignment import place, sample_of
from recon.intake.chop import alternation
from recon.intake.decide import PrepareEchoes, decide
from recon.intake.read import stacked, stored_echoes
from recon.intake.scan import CARTESIAN, Image
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef

GE = {"Manufacturer": "GE MEDICAL SYSTEMS"}


@pytest.fixture(scope="module")
def signals():
    return ef.echoes()


@pytest.fixture(scope="module")
def chopped(signals):
    """As GE writes it: slices alternate, a paramagnetic source delays the phase."""
    return [(z * alternation(z.shape, 2)).conj() for z in signals]


def refused(series, params=ef.AUTO):
    with pytest.raises(IntakeError) as error:
        decide(series, params)
    return str(error.value)


def error_rad(series, decisions, signals):
    """Largest error of the phase of all echoes where there is signal, but for one constant."""
    magnitude, phase_rad, _ = stacked(stored_echoes(series), len(series.te_s), decisions)
    unlike = (magnitude * np.exp(1j * phase_rad) * np.stack(signals, -1).conj())[np.abs(signals[-1]) > 100]
    return np.abs(np.angle(unlike * np.exp(-1j * np.angle(unlike.sum())))).max()


@pytest.mark.parametrize(
    ("stored", "manufacturer"),
    [
        (ef.siemens, "Siemens"),
        (ef.siemens_rescaled, "Siemens"),
        (ef.philips_pixels, "Philips"),
        (ef.philips_display, "Philips"),
        (np.angle, "Philips"),
    ],
)
def test_phase_of_each_vendor_is_read_right(signals, tmp_path, stored, manufacturer):
    series = ef.polar_files(tmp_path, signals, stored, Manufacturer=manufacturer)
    found = decide(series, ef.AUTO)
    assert error_rad(series, found, signals) < 0.003
    assert (found.chop_axis, found.phase_sign, found.notes) == (None, 1, ())


def test_ge_phase_is_read_right(signals, chopped, tmp_path):
    series = ef.polar_files(tmp_path, chopped, ef.milliradians, **GE)
    found = decide(series, ef.AUTO)
    assert (found.chop_axis, found.phase_sign, found.notes) == (2, -1, ())
    assert error_rad(series, found, signals) < 0.003


def test_ge_real_and_imaginary_parts_are_read_right(signals, chopped, tmp_path):
    series = ef.cartesian_files(tmp_path, chopped, **GE)
    found = decide(series, ef.AUTO)
    assert (found.scale, found.chop_axis, found.phase_sign, found.notes) == (None, 2, -1, ())
    assert error_rad(series, found, signals) < 0.01


def test_the_config_overrules_what_would_be_decided(chopped, tmp_path):
    series = ef.polar_files(tmp_path, chopped, ef.milliradians, **GE)
    params = PrepareEchoes(phase_sign=1, phase_range=[-3141.6, 3141.6], slice_chop="never", phase_filter="refuse")
    found = decide(series, params)
    assert (found.chop_axis, found.phase_sign) == (None, 1)
    settable = ("PhaseUnits", "SliceChop", "PhaseSign")
    assert all("prepare_echoes" in found.reasons[name] for name in settable)


def test_reasons_and_summary_are_plain_json(signals, tmp_path):
    found = decide(ef.polar_files(tmp_path, signals, np.angle, Units="rad"), ef.AUTO)
    decided = {"MainField", "PhaseUnits", "PhaseFilter", "SliceOffsets", "SliceChop", "PhaseSign"}
    assert set(found.reasons) == set(found.evidence) == decided
    assert all(found.reasons[name].endswith(f": {found.evidence[name]}") for name in decided)
    assert json.loads(json.dumps(found.summary())) == found.summary()
    assert found.summary()["RadiansPerValue"] == {"slope": 1.0, "intercept": 0.0}


def test_a_single_echo_is_enough(signals, tmp_path):
    assert decide(ef.polar_files(tmp_path, signals[1:2], np.angle, Units="rad"), ef.AUTO).scale == (1, 0)


def test_magnitude_and_phase_that_were_swapped_are_refused(signals, tmp_path):
    series = ef.polar_files(tmp_path, signals, ef.siemens_rescaled, Manufacturer="Siemens")
    message = refused(replace(series, images=series.images[::-1]))
    assert message.count("phase1.nii.gz: expected a magnitude") == 1


def test_swapped_parts_of_unsigned_pixels_are_refused(signals, tmp_path):
    signals = [4.0 * z for z in signals]  # magnitudes up to 4095, like the phase
    series = ef.polar_files(tmp_path, signals, ef.siemens, Manufacturer="Siemens")
    message = refused(replace(series, images=series.images[::-1]))
    assert "phase1.nii.gz: expected a magnitude, found values that wrap" in message


@pytest.mark.parametrize(("mag", "phase"), [(0, 0), (0, 2), (2, 0), (1, 1)])
def test_a_magnitude_and_a_phase_that_were_exchanged_are_refused(signals, tmp_path, mag, phase):
    first, second = [np.rint(np.abs(z)) for z in signals], [ef.siemens(z) for z in signals]
    first[mag], second[phase] = second[phase], first[mag]
    message = refused(ef.files(tmp_path, first, second, Manufacturer="Siemens"))
    assert f"mag{mag + 1}.nii.gz: expected a magnitude, found values that wrap; and in" in message
    assert f"phase{phase + 1}.nii.gz none" in message


def test_copies_are_refused_with_both_names(signals, tmp_path):
    m, p = [np.abs(z) for z in signals], [np.angle(z) for z in signals]
    message = refused(ef.files(tmp_path, [m[0], m[0], m[2]], [p[0], p[1], m[2]], Units="rad"))
    assert "mag2.nii.gz: expected an image of its own, found the same values as in" in message
    assert "phase3.nii.gz: expected an image of its own, found the same values as in" in message


def test_every_problem_of_the_images_is_told_at_once(signals, tmp_path):
    m, p = [np.abs(z) for z in signals], [np.angle(z) for z in signals]
    empty = np.zeros(ef.SHAPE, np.int16)
    message = refused(ef.files(tmp_path, [m[0], empty, m[2]], [p[0], p[1], np.nan * p[2]], Units="rad"))
    assert "mag2.nii.gz: expected an image, found the value 0 in every voxel" in message
    assert "phase3.nii.gz: expected finite values, found NaN or infinity in every voxel" in message


def test_a_magnitude_in_place_of_a_real_part_is_refused(signals, tmp_path):
    parts = [np.abs(z) for z in signals], [np.imag(z) for z in signals]
    assert "real1.nii.gz: expected values below and above zero" in refused(ef.files(tmp_path, *parts, CARTESIAN))


@pytest.mark.parametrize("dtype", [np.uint8, np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_voxels_of_a_wrong_type_are_refused(signals, tmp_path, dtype):
    series = ef.polar_files(tmp_path, signals, np.angle, Units="rad")
    nib.save(nib.Nifti1Image(np.zeros(ef.SHAPE, dtype), ef.AFFINE), series.images[0][1].path)
    assert "mag2.nii.gz: expected voxels of one real number of at least 16 bits" in refused(series)


def test_few_voxels_that_are_not_finite_are_noted(signals, tmp_path):
    spoiled = np.angle(signals[1])
    spoiled[0, 0, :3] = [np.nan, np.inf, -np.inf]
    phase = [np.angle(signals[0]), spoiled, np.angle(signals[2])]
    found = decide(ef.files(tmp_path, [np.abs(z) for z in signals], phase, Units="rad", Manufacturer="GE"), ef.AUTO)
    assert found.notes[0].startswith("phase2.nii.gz: 3 of 21,504 voxels are NaN or infinite")  # no folder


def test_echoes_without_a_common_voxel_are_refused(signals, tmp_path):
    first, second = np.angle(signals[0]), np.angle(signals[1])
    first[:14], second[14:] = np.nan, np.nan
    series = ef.files(tmp_path, [np.abs(z) for z in signals[:2]], [first, second], Units="rad")
    assert "mag1.nii.gz: expected voxels with signal and finite in every echo" in refused(series)


@pytest.mark.parametrize("place", [0.5, 0.9])
def test_an_altered_compressed_file_is_refused(signals, tmp_path, place):
    series = ef.polar_files(tmp_path, signals, np.angle, Units="rad")
    path = tmp_path / "phase2.nii.gz"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    path.write_bytes(content)
    assert "phase2.nii.gz: expected a complete gzip file, found" in refused(series)


def test_a_truncated_uncompressed_file_is_refused(signals, tmp_path):
    path = ef.write(tmp_path / "phase.nii", np.angle(signals[0]))
    series = ef.series(((Image(ef.write(tmp_path / "mag.nii", np.abs(signals[0]))),), (Image(path),)), ef.TE_S[:1])
    (tmp_path / "phase.nii").write_bytes((tmp_path / "phase.nii").read_bytes()[:-5000])
    assert "phase.nii: expected a complete NIfTI image, found" in refused(series)


def test_all_damaged_files_are_told_at_once(signals, tmp_path):
    paths = [[ef.write(tmp_path / f"{n}{e}.nii", f(z)) for e, z in enumerate(signals)] for n, f in
             (("mag", np.abs), ("phase", np.angle))]  # fmt: skip
    for name in ("mag0.nii", "phase2.nii"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5000])
    message = refused(ef.series(tuple(tuple(map(Image, part)) for part in paths), Units="rad"))
    assert "mag0.nii: expected a complete" in message
    assert "phase2.nii: expected a complete" in message


@pytest.mark.parametrize("ends", [[3, -3], [1, 1], [1, 2, 3]])
def test_a_range_that_is_none_is_refused(ends):
    with pytest.raises(ValueError, match="phase_range: expected two ascending numbers"):
        PrepareEchoes(phase_sign=1, phase_range=ends, slice_chop="auto", phase_filter="refuse")


def test_zeros_around_k_space_are_noted(signals, tmp_path):
    k = [np.fft.fftshift(np.fft.fft(z, axis=0), axes=0) for z in signals]
    filled = [np.fft.ifft(np.fft.ifftshift(np.pad(f, ((14, 14), (0, 0), (0, 0))), axes=0), axis=0) * 2 for f in k]
    found = decide(ef.polar_files(tmp_path, filled, ef.siemens, Manufacturer="Siemens"), ef.AUTO)
    assert found.notes == (
        "zero-filled: 28 of 56 samples acquired along axis 0 (voxel 2.00 mm stored, 4.00 mm acquired)",
    )


def test_memory_does_not_grow_with_the_number_of_echoes(tmp_path):
    signals = [np.tile(ef.head(te_s), (2, 2, 2)) for te_s in np.linspace(0.004, 0.02, 12)]
    paths = [ef.write(tmp_path / f"{name}.nii", np.stack([part(z) for z in signals], -1)) for name, part in
             (("mag", np.abs), ("phase", np.angle))]  # fmt: skip
    te_s = tuple(np.linspace(0.004, 0.02, 12))
    series = ef.series(tuple(tuple(Image(path, e) for e in range(12)) for path in paths), te_s, Units="rad")
    few = replace(series, images=tuple(part[:3] for part in series.images), te_s=te_s[:3], facts=series.facts[:3])
    assert _peak(series) < 1.2 * _peak(few)


def _peak(series):
    tracemalloc.start()
    decide(series, ef.AUTO)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_the_real_head_needs_no_setting(shared_data):
    stem = shared_data / "philips_2echo" / "2001_WIP_fcMRI_Field_Mapping_cl_e"
    images = tuple(tuple(Image(f"{stem}{e}{end}") for e in (1, 2)) for end in (".nii.gz", "_ph.nii.gz"))
    found = decide(ef.series(images, (0.0023, 0.0046), Manufacturer="Philips"), ef.AUTO)
    assert (found.chop_axis, found.phase_sign, found.notes) == (None, 1, ())


def test_slices_with_offsets_are_put_together_again(signals, tmp_path):
    offset = np.random.default_rng(3).normal(0, 0.7, ef.SHAPE[2])
    cut = [z * np.exp(1j * offset) for z in signals]
    series = ef.polar_files(tmp_path, cut, np.angle, Units="rad", Manufacturer="Siemens", MRAcquisitionType="2D")
    found = decide(series, ef.AUTO)
    assert found.offset_axis == 2 and "every slice along axis 2" in found.notes[0]
    assert found.summary()["OffsetAxis"] == 2


def test_slices_with_offsets_of_any_size_do_not_count_as_alternating(signals, tmp_path):
    offset = np.random.default_rng(3).uniform(-np.pi, np.pi, ef.SHAPE[2])
    cut = [z * np.exp(1j * offset) for z in signals]
    found = decide(ef.polar_files(tmp_path, cut, ef.milliradians, **GE), ef.AUTO)
    assert (found.offset_axis, found.chop_axis) == (2, None)


def test_voxels_that_are_not_finite_do_not_hide_offsets_of_slices(signals, tmp_path):
    offset = np.random.default_rng(3).normal(0, 0.7, ef.SHAPE[2])
    cut = [np.angle(z * np.exp(1j * offset)) for z in signals]
    for phase in cut:
        phase[::9, ::7] = np.nan
    series = ef.files(tmp_path, [np.abs(z) for z in signals], cut, Units="rad", Manufacturer="Siemens")
    assert decide(series, ef.AUTO).offset_axis == 2


def test_the_frequency_sets_the_field_of_the_scan(signals, tmp_path):
    series = ef.polar_files(tmp_path, signals, np.angle, Units="rad", Manufacturer="Siemens", ImagingFrequency=123.19)
    assert decide(series, ef.AUTO).reasons["MainField"].startswith("2.893 T: ImagingFrequency 123.19 MHz")


def test_slices_with_more_between_than_within_are_refused(signals, tmp_path):
    series = ef.polar_files(tmp_path, signals, np.angle, Units="rad", SliceThickness=1.0, SpacingBetweenSlices=2.5)
    assert "expected slices that touch" in refused(series)


def test_filtered_phase_is_refused(signals, tmp_path, monkeypatch):
    monkeypatch.setattr("recon.intake.phase_filter.BLOCK_MM", 12.0)  # in place of 24: the head is small
    detail_hz = np.random.default_rng(5).normal(0, 8, ef.SHAPE)  # of small sources, which a filter leaves
    fine = [z * np.exp(2j * np.pi * detail_hz * te_s) for z, te_s in zip(signals, ef.TE_S, strict=True)]
    assert decide(ef.cartesian_files(tmp_path, fine), ef.AUTO).reasons["PhaseFilter"].startswith("none seen")
    smooth = [ndimage.gaussian_filter(z.real, 1.5) + 1j * ndimage.gaussian_filter(z.imag, 1.5) for z in fine]
    filtered = [z * np.exp(1j - 1j * np.angle(low)) for z, low in zip(fine, smooth, strict=True)]
    assert "found filtered phase" in refused(ef.cartesian_files(tmp_path, filtered))


def test_warnings_of_the_signal_come_first(signals, tmp_path):
    facts = {"ImageType": ["ORIGINAL", "PRIMARY", "P", "SWI", "DIS2D"], "ScanningSequence": "EP"}
    notes = decide(ef.polar_files(tmp_path, signals, np.angle, Units="rad", **facts), ef.AUTO).notes
    assert [note.split(" ")[0] for note in notes[:3]] == ["the", "echo", "distortion-corrected"]


@pytest.mark.parametrize("echo", range(3))
@pytest.mark.parametrize("stored", [np.angle, ef.siemens])
def test_phase_that_is_noise_is_refused_whatever_its_unit(signals, tmp_path, echo, stored):
    noise = np.exp(2j * np.pi * np.random.default_rng(0).random(ef.SHAPE))
    phases = [stored(noise if e == echo else z) for e, z in enumerate(signals)]
    told = {"Units": "rad"} if stored is np.angle else {"Manufacturer": "Siemens"}
    message = refused(ef.files(tmp_path, [np.abs(z) for z in signals], phases, **told))
    assert f"phase{echo + 1}.nii.gz: expected phase that is like its neighbours'" in message
    assert message.count("expected") == 1


def test_magnitudes_that_were_each_scaled_by_itself_are_noted(signals, tmp_path):
    scaled = [np.rint(4095 * np.abs(z) / np.abs(z).max()) for z in signals]
    notes = decide(ef.files(tmp_path, scaled, [np.angle(z) for z in signals], Units="rad"), ef.AUTO).notes
    assert notes[0].startswith("the largest magnitude is 4095 in every echo")


def test_magnitudes_that_were_cut_off_are_noted(signals, tmp_path):
    cut = [np.minimum(np.abs(z), 700) for z in signals]
    notes = decide(ef.files(tmp_path, cut, [np.angle(z) for z in signals], Units="rad"), ef.AUTO).notes
    assert "have its largest value, 700: cut off?" in notes[0] and notes[0].startswith("mag1.nii.gz")


def test_unwrapped_phase_is_not_taken_for_an_exchanged_magnitude(signals, tmp_path):
    x, y, _ = np.indices(ef.SHAPE)
    unwrapped = [40.0 * te_s * (x + 0.37 * y - 20) for te_s in ef.TE_S]
    wraps = [ef.siemens(z) for z in signals]  # as a sharp edge does
    message = refused(ef.files(tmp_path, wraps, unwrapped, Units="rad"))
    assert "exchange" not in message and "expected wrapped phase" in message


def of_a_head(te_s):
    """Echo of an object that is no mirror image of itself."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in ef.SHAPE), indexing="ij")
    return ef.head(te_s) * (1 + 0.5 * np.sin(3 * x + 1) * np.cos(2 * y - 1) * np.sin(4 * z + 0.5))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("files", [ef.cartesian_files, lambda *a, **k: ef.polar_files(*a, np.angle, **k)])
def test_an_echo_that_was_not_turned_as_the_others_is_refused(tmp_path, axis, files):
    signals = [of_a_head(te_s) for te_s in ef.TE_S]
    signals[1] = np.flip(signals[1], axis)
    message = refused(files(tmp_path, signals, Units="rad"))
    assert "2.nii.gz: expected a magnitude that lies as that of the first echo" in message
    assert f"mirrored along axis {axis}" in message


@pytest.mark.parametrize("axis", range(3))
def test_an_echo_that_lies_far_beside_the_others_is_not_called_mirrored(tmp_path, axis):
    signals = [np.roll(of_a_head(te_s), -3, axis) for te_s in ef.TE_S]
    signals[1] = np.roll(signals[1], 8, axis)
    message = refused(ef.polar_files(tmp_path, signals, np.angle, Units="rad"))
    assert f"moved along axis {axis}" in message and "mirrored" not in message


@pytest.mark.parametrize("axis", range(3))
def test_an_echo_that_lies_beside_the_others_is_noted(tmp_path, axis):
    signals = [of_a_head(te_s) for te_s in ef.TE_S]
    assert not decide(ef.polar_files(tmp_path, signals, np.angle, Units="rad", Manufacturer="Siemens"), ef.AUTO).notes
    signals[2] = np.roll(signals[2], 2, axis)
    (note,) = decide(ef.polar_files(tmp_path, signals, np.angle, Units="rad", Manufacturer="Siemens"), ef.AUTO).notes
    assert note.startswith(f"mag3.nii.gz: lies beside the first echo along axis {axis}")


@pytest.mark.parametrize(
    ("stored", "manufacturer", "unit"),
    [
        (lambda z: np.degrees(np.angle(z)), "Siemens", "degrees"),
        (lambda z: np.degrees(np.angle(z)) % 360, "none of the known", "degrees"),
        (lambda z: np.angle(z) / np.pi, "Philips", "half turns"),
        (ef.positive, "none of the known", "radians"),
        (np.angle, "Siemens", "radians"),
    ],
)
def test_the_line_that_a_refusal_prints_for_a_unit_reads_the_phase_right(signals, tmp_path, stored, manufacturer, unit):
    series = ef.polar_files(tmp_path, signals, stored, Manufacturer=manufacturer)
    message = refused(series)
    assert f"if these are {unit}, say so: --config" in message
    low, high = map(float, re.search(r"phase_range: \[([^,]+), ([^\]]+)\]", message).groups())
    found = decide(series, replace(ef.AUTO, phase_range=[low, high]))
    assert error_rad(series, found, signals) < 0.003


def test_a_single_voxel_has_no_place_to_move_to():
    voxel = sample_of(np.ones((1, 1, 1), np.float32))
    assert place(voxel, voxel).moved[0] == 0
