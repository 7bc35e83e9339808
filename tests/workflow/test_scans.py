"""What holds for all scans together."""

import pytest

from recon.intake.scan import Scan, Series
from recon.problems import IntakeError
from workflow.lib.study.scans import check_r2star, diagnosed, number_of_echoes


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


def test_arlo_of_two_echoes_is_refused():
    with pytest.raises(IntakeError, match="data: expected 3 echoes for r2star_map.method arlo .*, found 2"):
        check_r2star(2, "arlo", "data")
