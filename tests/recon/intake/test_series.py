"""Files of one series become echoes in order of time, or every reason why not is told."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from recon.acquisition import GAMMA_HZ_PER_T
from recon.files.io import write_json
from recon.intake.protocol import protocol_notes
from recon.intake.scan import Image
from recon.intake.series import series_of
from recon.problems import IntakeError
from tests.recon.intake.raw_files import edit_header, sidecars, write_echo, write_nifti, write_series

STEM = "sub-01"


def read(folder):
    """The series of all images in a folder."""
    return series_of(sorted(str(p) for p in folder.iterdir() if ".nii" in p.name), sidecars(folder))


def refusal(folder) -> str:
    with pytest.raises(IntakeError) as error:
        read(folder)
    return str(error.value)


def names(images) -> list[str]:
    return [os.path.basename(image.path) for image in images]


def change(path, **facts):
    """Change facts of an image's sidecar; None removes one."""
    sidecar = path.replace(".nii.gz", ".json")
    with open(sidecar, encoding="utf-8") as file:
        content = json.load(file) | facts
    write_json(sidecar, {key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize("parts", [("mag", "phase"), ("real", "imag")])
def test_echo_files_of_both_forms(tmp_path, parts):
    write_series(tmp_path, STEM, (2, 10, 1), parts)
    series = read(tmp_path)
    assert series.parts == parts
    assert series.te_s == (0.005, 0.01, 0.05)
    for part, images in zip(parts, series.images, strict=True):
        assert names(images) == [f"sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz" for echo in (1, 2, 10)]
        assert {image.volume for image in images} == {None}
    assert [facts["EchoTime"] for facts in series.facts] == list(series.te_s)
    assert series.sidecars == tuple(sidecars(tmp_path))


@pytest.mark.parametrize("echo", ["", "_echo-1", "_echo-01"])  # the validator passes the second alone
@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (4, 5, 6, 1, 3), (4, 5, 6, 3, 1)])
def test_one_4d_file_a_part(tmp_path, echo, shape):
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{STEM}{echo}_part-{part}", {"EchoTime": [0.004, 0.009, 0.02]}, shape=shape)
    series = read(tmp_path)
    assert series.te_s == (0.004, 0.009, 0.02)
    path = str(tmp_path / f"sub-01{echo}_part-mag_MEGRE.nii.gz")
    assert series.images[0] == (Image(path, 0), Image(path, 1), Image(path, 2))
    assert [facts["EchoTime"] for facts in series.facts] == [0.004, 0.009, 0.02]


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 1)])
@pytest.mark.parametrize("echo_time", [0.02, [0.02]])
def test_a_single_echo_needs_no_number(tmp_path, shape, echo_time):
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{STEM}_part-{part}", {"EchoTime": echo_time}, shape=shape)
    series = read(tmp_path)
    assert series.te_s == (0.02,)
    assert series.images[1][0].volume == (None if len(shape) == 3 else 0)


def test_32_uneven_echoes_are_taken_and_33_are_not(tmp_path):
    times = np.cumsum(np.linspace(0.001, 0.003, 33)).tolist()
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{STEM}_part-{part}", {"EchoTime": times[:32]}, shape=(4, 5, 6, 32))
    assert len(read(tmp_path).te_s) == 32
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{STEM}_part-{part}", {"EchoTime": times}, shape=(4, 5, 6, 33))
    assert "expected at most 32 echoes in a series, found 33" in refusal(tmp_path)


def test_magnitude_and_phase_go_before_real_and_imaginary(tmp_path):
    write_series(tmp_path, STEM, parts=("mag", "phase", "real", "imag"))
    assert read(tmp_path).parts == ("mag", "phase")


def test_the_complete_form_is_taken(tmp_path):
    write_series(tmp_path, STEM, parts=("mag", "real", "imag"))
    assert read(tmp_path).parts == ("real", "imag")


def test_the_files_may_come_in_any_order(tmp_path):
    files = write_series(tmp_path, STEM, (1, 2, 3))
    assert series_of(files[::-1], sidecars(tmp_path)[::-1]) == series_of(files, sidecars(tmp_path))


def test_facts_are_inherited_and_the_second_part_has_the_last_word(tmp_path):
    anat = tmp_path / "sub-01/anat"
    files = write_series(anat, STEM, sidecar={"MagneticFieldStrength": None})
    change(files[0], Units="arbitrary", ImageType=["M"], SoftwareVersions="mag", Manufacturer="Siemens")
    change(files[1], SoftwareVersions="phase")
    write_json(tmp_path / "MEGRE.json", {"MagneticFieldStrength": 7, "FlipAngle": 10})
    series = series_of(files, sidecars(tmp_path))
    assert series.facts[0] == {
        "EchoTime": 0.005, "MagneticFieldStrength": 7, "FlipAngle": 10, "Manufacturer": "Siemens",
        "SoftwareVersions": "phase",
    }  # fmt: skip
    assert str(tmp_path / "MEGRE.json") in series.sidecars


def test_the_frequency_tells_the_field_where_nothing_else_does(tmp_path):
    write_series(tmp_path, STEM, sidecar={"MagneticFieldStrength": None, "ImagingFrequency": 123.2})
    assert read(tmp_path).facts[0]["MagneticFieldStrength"] == pytest.approx(123.2e6 / GAMMA_HZ_PER_T)


def test_a_stated_b0_direction_replaces_missing_forms(tmp_path):
    write_series(tmp_path, STEM, codes=(0, 0))
    assert "expected scanner coordinates (qform or sform, code 1 or 2), or B0_dir" in refusal(tmp_path)
    write_series(tmp_path, STEM, codes=(0, 0), sidecar={"B0_dir": [0, 0.6, 0.8]})
    assert read(tmp_path).facts[0]["B0_dir"] == [0, 0.6, 0.8]


def test_paths_with_spaces_and_letters_of_any_script(tmp_path):
    folder = tmp_path / "größe 大 и"
    write_series(folder, STEM)
    assert str(folder) in read(folder).files[0]


BAD_FACTS = [  # a fact of all images of echo 2: the message
    ({"EchoTime": None}, "expected EchoTime [seconds] in its sidecar, found none"),
    ({"EchoTime": "0.01"}, "expected EchoTime [seconds] in its sidecar, found '0.01'"),
    ({"EchoTime": True}, "expected EchoTime [seconds] in its sidecar, found True"),
    ({"EchoTime": float("nan")}, "expected EchoTime [seconds] in its sidecar, found nan"),
    ({"EchoTime": [0.01, 0.02]}, "expected EchoTime [seconds] in its sidecar, found [0.01, 0.02]"),
    ({"EchoTime": {}}, "expected EchoTime [seconds] in its sidecar, found {}"),
    ({"EchoTime": 10**400}, "expected EchoTime [seconds] in its sidecar, found 1000"),
    ({"EchoTime": 10}, "expected EchoTime in seconds, at most 0.5, found 10: milliseconds?"),
    ({"EchoTime": 4e-6}, "expected EchoTime in seconds, at least 2e-05, found 4e-06: 1000 times too small?"),
    ({"EchoTime": 0}, "expected a positive EchoTime [seconds], found 0"),
    ({"EchoTime": -0.01}, "expected a positive EchoTime [seconds], found -0.01"),
    ({"EchoTime": 0.005}, "expected an EchoTime beyond 0.005 s, that of the echo before"),
    ({"EchoTime": 0.002}, "expected an EchoTime beyond 0.005 s, that of the echo before"),
    ({"MagneticFieldStrength": None}, "expected MagneticFieldStrength [tesla] in its sidecar, found none"),
    ({"MagneticFieldStrength": "3T"}, "expected MagneticFieldStrength [tesla] in its sidecar, found '3T'"),
    ({"MagneticFieldStrength": [3]}, "expected MagneticFieldStrength [tesla] in its sidecar, found [3]"),
    ({"MagneticFieldStrength": 0}, "expected a field strength between 0 and 25 tesla, found 0"),
    ({"MagneticFieldStrength": 30000}, "expected a field strength between 0 and 25 tesla, found 30000"),
    ({"MagneticFieldStrength": 1.5}, "expected the MagneticFieldStrength of"),
    ({"ImagingFrequency": 63.9}, "expected the ImagingFrequency of 3 T, about 127.7 MHz, found 63.9 MHz"),
    ({"FlipAngle": "24"}, "expected a FlipAngle from 0 to 180 degrees, found '24'"),
    ({"RepetitionTime": 36}, "expected RepetitionTime in seconds, at most 10, found 36: milliseconds?"),
    ({"RepetitionTimeExcitation": 0}, "expected RepetitionTimeExcitation in seconds, at most 10, found 0"),
    ({"B0_dir": [0, 1, 1]}, "expected B0_dir as a unit vector in voxel axes, found [0, 1, 1]"),
]


@pytest.mark.parametrize(("facts", "message"), BAD_FACTS, ids=[str(facts)[:60] for facts, _ in BAD_FACTS])
def test_bad_facts_are_refused(tmp_path, facts, message):
    for path in write_series(tmp_path, STEM):
        if "echo-2" in path:
            change(path, **facts)
    told = next(line for line in refusal(tmp_path).splitlines() if message in line)
    assert "sub-01_echo-2_part-" in told


@pytest.mark.parametrize(
    ("key", "values"),
    [("FlipAngle", (10, 20)), ("Manufacturer", ("GE", "Philips")), ("ImagingFrequency", (123.2, 127.7))],
)
def test_echoes_that_disagree_are_both_named(tmp_path, key, values):
    for path in write_series(tmp_path, STEM):
        change(path, **{key: values["echo-2" in path]})
    assert re.search(f"echo-2_part-mag_MEGRE.nii.gz: expected the {key} of .*echo-1_part-mag_MEGRE", refusal(tmp_path))


def test_parts_that_disagree_on_the_echo_time_are_both_named(tmp_path):
    files = write_series(tmp_path, STEM)
    change(files[1], EchoTime=0.0051)
    found = refusal(tmp_path)
    assert f"{files[1]}: expected the EchoTime of {files[0]}, [0.005] s, found [0.0051] s" in found


def test_one_part_may_tell_the_echo_time_of_both(tmp_path):
    for path in write_series(tmp_path, STEM):
        if "part-phase" in path:
            change(path, EchoTime=None)
    assert read(tmp_path).te_s == (0.005, 0.01)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"{", "Expecting property name"),
        (b"", "Expecting value"),
        (b"[1]", "list"),
        (b"\xff\xfe{}", "codec can't decode"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_broken_sidecars_are_named(tmp_path, text, found):
    files = write_series(tmp_path, STEM)
    sidecar = files[3].replace(".nii.gz", ".json")
    Path(sidecar).write_bytes(text)
    told = next(line for line in refusal(tmp_path).splitlines() if "JSON" in line)
    assert f"{sidecar}: expected a JSON " in told
    assert found in told


def bad_part(folder):
    write_echo(folder, f"{STEM}_echo-1_part-bold")


def no_part(folder):
    write_echo(folder, f"{STEM}_echo-1")


def bad_echo(folder):
    write_nifti(folder / f"{STEM}_echo-one_part-mag_MEGRE.nii.gz")


def odd_digit(folder):
    write_nifti(folder / f"{STEM}_echo-²_part-mag_MEGRE.nii.gz")


def twice(folder):
    write_echo(folder, f"{STEM}_echo-01_part-mag")


def alone(folder):
    write_echo(folder, f"{STEM}_echo-3_part-mag")


def unnumbered(folder):
    for part in ("mag", "phase"):
        write_echo(folder, f"{STEM}_part-{part}", {"EchoTime": [0.01, 0.02]}, shape=(4, 5, 6, 2))


PART = "expected part-mag, part-phase, part-real or part-imag in its name"
BAD_NAMES = [
    (bad_part, f"sub-01_echo-1_part-bold_MEGRE.nii.gz: {PART}, found 'bold'"),
    (no_part, f"sub-01_echo-1_MEGRE.nii.gz: {PART}, found none"),
    (bad_echo, "sub-01_echo-one_part-mag_MEGRE.nii.gz: expected a number as echo in its name, found 'one'"),
    (odd_digit, "expected a number as echo in its name, found '²'"),
    (twice, "expected one part-mag image of echo 1, found also"),
    (alone, "sub-01_echo-3_part-mag_MEGRE.nii.gz: expected its part-phase partner of echo 3, found none"),
    (unnumbered, "sub-01_part-mag_MEGRE.nii.gz: expected an echo- entity in the names of all images or of none, found"),
]


@pytest.mark.parametrize(("add", "message"), BAD_NAMES, ids=[add.__name__ for add, _ in BAD_NAMES])
def test_files_that_do_not_fit_are_named(tmp_path, add, message):
    write_series(tmp_path, STEM)
    add(tmp_path)
    assert message in refusal(tmp_path)


def test_magnitude_alone_is_refused(tmp_path):
    write_series(tmp_path, STEM, parts=("mag",))
    assert "sub-01_echo-1_part-mag_MEGRE.nii.gz: expected its part-phase partner of echo 1" in refusal(tmp_path)


def test_no_files_are_refused():
    with pytest.raises(IntakeError, match="expected image files, found none"):
        series_of([], [])


@pytest.mark.parametrize(
    ("echo_time", "shapes", "message"),
    [
        (0.01, (3, 3), "expected EchoTime [seconds] in its sidecar, a list of 3 for its volumes, found 0.01"),
        ([0.01, 0.02], (3, 3), "a list of 3 for its volumes, found [0.01, 0.02]"),
        ([0.01, 0.03, 0.02], (3, 3), "expected an EchoTime beyond 0.03 s, that of the echo before"),
        ([0.01, 0.02, 0.03], (3, 2), "expected as many volumes as"),
    ],
)
def test_4d_files_must_have_an_echo_time_a_volume(tmp_path, echo_time, shapes, message):
    for part, volumes in zip(("mag", "phase"), shapes, strict=True):
        write_echo(tmp_path, f"{STEM}_part-{part}", {"EchoTime": echo_time}, shape=(4, 5, 6, volumes))
    assert message in refusal(tmp_path)
    assert "sub-01_part-phase_MEGRE.nii.gz" in refusal(tmp_path)


def test_a_single_4d_file_needs_its_list_of_echo_times(tmp_path):
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{STEM}_echo-1_part-{part}", shape=(4, 5, 6, 3))
    assert "a list of 3 for its volumes, found 0.005" in refusal(tmp_path)


def test_a_4d_file_of_a_numbered_echo_is_refused(tmp_path):
    write_series(tmp_path, STEM)
    write_echo(tmp_path, f"{STEM}_echo-2_part-phase", shape=(4, 5, 6, 2))
    assert (
        "echo-2_part-phase_MEGRE.nii.gz: expected a 3-D image, as its name has an echo-, found shape (4, 5, 6, 2)"
        in (refusal(tmp_path))
    )


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ({"shape": (4, 5, 7)}, "found (4, 5, 7) of [2, 2, 2] mm"),
        ({"affine": np.diag([2.0, 2, 2.5, 1])}, "found another affine: [2, 2, 2.5] mm"),
    ],
)
def test_other_grids_name_both_files(tmp_path, image, found):
    files = write_series(tmp_path, STEM)
    write_echo(tmp_path, f"{STEM}_echo-2_part-phase", **image)
    told = refusal(tmp_path)
    assert f"{files[3]}: expected the grid of {files[0]}, (4, 5, 6) voxels of [2, 2, 2] mm, found" in told
    assert found in told


def test_every_problem_is_told_at_once(tmp_path):
    files = write_series(tmp_path, STEM, (1, 2, 3))
    change(files[0], EchoTime=5)
    change(files[1], EchoTime=5)
    Path(files[2]).write_bytes(b"")
    edit_header(files[5], pixdim=(3, -2))
    write_echo(tmp_path, f"{STEM}_echo-4_part-mag")
    told = refusal(tmp_path)
    for message in ("milliseconds?", "an empty file", "[2, 2, -2]", "its part-phase partner of echo 4"):
        assert message in told


def test_the_same_problem_of_many_files_is_told_once(tmp_path):
    write_series(tmp_path, STEM, (1, 2, 3), sidecar={"MagneticFieldStrength": None})
    with pytest.raises(IntakeError) as error:
        read(tmp_path)
    assert len(error.value.problems) == 1
    assert "(and 2 more): expected MagneticFieldStrength" in str(error.value)


def test_real_philips_echoes(shared_data, tmp_path):
    real = shared_data / "philips_2echo/2001_WIP_fcMRI_Field_Mapping_cl_e"
    for echo in ("1", "2"):
        for part, end in (("mag", ""), ("phase", "_ph")):
            for form in (".nii.gz", ".json"):
                (tmp_path / f"{STEM}_echo-{echo}_part-{part}_MEGRE{form}").symlink_to(f"{real}{echo}{end}{form}")
    series = read(tmp_path)
    assert series.te_s == (0.0023, 0.0046)
    assert series.facts[0]["MagneticFieldStrength"] == 3


def test_a_real_crop_in_4d_files(shared_data, tmp_path):
    for part, name in (("mag", "Mag"), ("phase", "Phase")):
        image = tmp_path / f"{STEM}_part-{part}_MEGRE.nii"
        image.symlink_to(shared_data / f"romeo_crop_3echo/{name}.nii")
        write_json(image.with_suffix(".json"), {"EchoTime": [0.004, 0.008, 0.012], "MagneticFieldStrength": 7})
    assert [image.volume for image in read(tmp_path).images[1]] == [0, 1, 2]


def notes_of_image_types(tmp_path, of_mag, of_phase):
    write_series(tmp_path, STEM, (1, 2))
    for path in map(str, tmp_path.glob("*.nii.gz")):
        change(path, ImageType=of_mag if "part-mag" in path else of_phase)
    return protocol_notes(read(tmp_path), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(("of_mag", "of_phase", "noted"), [
    (["M", "DIS2D"], ["P", "ND"], True), (["M", "ND"], ["P", "DIS3D"], True),
    (["M", "DIS2D"], ["P", "DIS2D"], False), (["M", "DIS2D"], None, False),
])  # fmt: skip
def test_parts_of_which_one_alone_was_corrected_for_distortion_are_read_with_a_note(tmp_path, of_mag, of_phase, noted):
    notes = notes_of_image_types(tmp_path, of_mag, of_phase)
    assert any("one of magnitude and phase alone was corrected" in note for note in notes) is noted


@pytest.mark.parametrize(("of_mag", "of_phase", "noted"), [
    (["DERIVED", "SECONDARY", "M"], ["DERIVED", "SECONDARY", "P"], True), (["M"], ["P", "SECONDARY"], True),
    (["M", "SWI"], ["P"], True), (["M"], ["P", "SWI"], False),  # of phase its values tell
    (["DERIVED", "PRIMARY", "M"], ["DERIVED", "PRIMARY", "P"], False),
])  # fmt: skip
def test_images_that_may_be_no_raw_signal_are_read_with_a_note(tmp_path, of_mag, of_phase, noted):
    notes = notes_of_image_types(tmp_path, of_mag, of_phase)
    assert any("may be no raw signal (ImageType S" in note for note in notes) is noted
