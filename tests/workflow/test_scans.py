"""What holds for all scans together."""

import pytest

from recon.intake.scan import Image, Scan, Series
from recon.problems import IntakeError
from workflow.lib.study import names
from workflow.lib.study.scans import (
    check_coils,
    check_r2star,
    check_reference,
    check_swi,
    diagnosed,
    files_of,
    number_of_echoes,
)


def scan(name: str, echoes: int = 2) -> Scan:
    te_s = tuple(0.005 * (echo + 1) for echo in range(echoes))
    return Scan(
        name=name,
        series=Series(parts=("mag", "phase"), images=((), ()), te_s=te_s, facts=({},) * echoes, sidecars=()),
    )


SCANS = [scan(name) for name in ("sub-02_ses-2", "sub-01", "sub-02_ses-1_run-2", "sub-02_ses-1_run-1")]


def test_the_first_or_the_last_scan_of_a_subject_is_diagnosed():
    assert diagnosed(SCANS, "first") == {"sub-01": "sub-01", "sub-02": "sub-02_ses-1_run-1"}
    assert diagnosed(SCANS, "last") == {"sub-01": "sub-01", "sub-02": "sub-02_ses-2"}


def test_all_scans_have_one_number_of_echoes():
    assert number_of_echoes(SCANS, "data") == 2
    with pytest.raises(IntakeError, match="data: expected one number of echoes in all scans, found sub-01 2, sub-03 4"):
        number_of_echoes([scan("sub-01"), scan("sub-03", 4)], "data")


@pytest.mark.parametrize(("echoes", "method"), [(3, "arlo"), (2, "irls"), (1, "arlo")])
def test_r2star_is_fitted_where_the_echoes_suffice(echoes, method):
    check_r2star(echoes, method, "data")


def test_coils_need_the_fit_and_three_echoes():
    check_coils(2, {"method": "arlo", "coils": 1}, "data")
    check_coils(3, {"method": "irls", "coils": "air"}, "data")
    with pytest.raises(ValueError, match="config r2star_map.coils: expected method irls .* for 8 coils, found arlo"):
        check_coils(6, {"method": "arlo", "coils": 8}, "data")
    with pytest.raises(
        IntakeError,
        match="data: expected three echoes or more for r2star_map.coils air, found 2, enough for --config .*coils: 1}",
    ):
        check_coils(2, {"method": "irls", "coils": "air"}, "data")


def test_a_reference_that_no_scan_can_have_is_refused():
    check_reference(1, "whole_brain", "none", "data")
    check_reference(2, "csf", "none", "data")
    with pytest.raises(
        IntakeError, match="data: expected two echoes or more for combine_echoes.reference csf.*whole_brain}"
    ):
        check_reference(1, "csf", "template", "data")
    with pytest.raises(
        ValueError, match="found putamen with locate_nuclei.method none; --config .locate_nuclei={method: template}"
    ):
        check_reference(6, "putamen", "none", "data")


def test_a_nucleus_that_the_method_does_not_place_is_a_reference_only_where_it_is_drawn():
    for name, method in {"subthalamic_nucleus": "template", "pallidum_internal": "network"}.items():
        with pytest.raises(ValueError, match=f"method {method} places.* found {name}; --config .*method: shapes}}"):
            check_reference(6, name, method, "data")
        check_reference(6, name, method, "data", drawn=True)
        check_reference(6, name, "shapes", "data")
    check_reference(6, "subthalamic_nucleus", "network", "data")


def test_arlo_of_two_echoes_is_refused():
    expected = (
        "data: expected 3 echoes for r2star_map.method arlo, found 2, enough for --config .r2star_map={method: irls}"
    )
    with pytest.raises(IntakeError, match=expected):
        check_r2star(2, "arlo", "data")


@pytest.mark.parametrize(
    ("text", "scan"),
    [
        ("results/x/sub-01_ses-02_run-1_Chimap.nii.gz", "sub-01_ses-02_run-1"),
        ("sub-020.html", "sub-020"),
        ("report.html", None),
    ],
)
def test_the_scan_is_found_in_a_name(text, scan):
    assert names.scan_in(text) == scan


def test_a_file_of_a_scan_falls_into_scan_and_suffix():
    assert names.scan_and_suffix("work/sub-01/sub-01_ses-2_acquisition.json") == ("sub-01_ses-2", "acquisition")
    assert names.scan_and_suffix("sub-01_desc-stage_T1w.nii.gz") == ("sub-01", "desc-stage_T1w")
    with pytest.raises(ValueError, match="report.html: expected a name that begins with a scan"):
        names.scan_and_suffix("report.html")


def test_the_innermost_folder_of_a_scan_is_found():
    assert names.folder_in("/data/sub-mitted/sub-01/ses-2/anat/sub-01_ses-2_T1w.nii") == "sub-01/ses-2"
    assert names.folder_in("participants.tsv") is None


def test_the_files_of_a_scan_are_images_sidecars_and_what_the_user_added():
    images = ((Image("m1"), Image("m2")), (Image("p1"), Image("p2")))
    series = Series(parts=("mag", "phase"), images=images, te_s=(0.005, 0.01), facts=({}, {}), sidecars=("a.json",))
    one = Scan(name="sub-01", series=series, mask="mask.nii")
    assert files_of(one) == ["m1", "m2", "p1", "p2", "a.json", "mask.nii"]


def test_a_filter_of_the_weighted_image_that_is_finer_than_voxels_is_refused_before_any_job():
    settings = {"make": True, "filter_mm": 1.0}
    sizes = {"sub-01": (0.6, 0.6, 2.0), "sub-02": (1.2, 0.9, 3.0)}
    with pytest.raises(ValueError, match=r"voxels' 1.2 mm, found 1; --config .swi_map=.filter_mm: 2.4.. \(sub-02\)$"):
        check_swi(settings, sizes)
    check_swi(settings | {"filter_mm": 4.0}, sizes)
    check_swi(settings | {"make": False}, sizes)
