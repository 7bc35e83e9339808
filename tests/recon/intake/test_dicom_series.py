"""Which converted images make a scan: one echo, several, or echoes that the scanner stored in a series each."""

from pathlib import Path

import numpy as np
import pytest

from recon.files.io import write_stored
from recon.intake.dicom.images import Pair, Raw
from recon.intake.dicom.series import choose

TE_S = (0.004, 0.008, 0.012)
POLAR_WORDS = {"mag": "M", "phase": "P"}


@pytest.fixture
def visit(tmp_path):
    """Function that adds the magnitude and phase of one echo, in a series each, to a visit; and the images so far."""
    return Visit(tmp_path)


class Visit:
    """Images of a visit, as the converter would leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images = folder, []

    def image(self, number: int, part: str, te_s: float, words: tuple = (), size: int = 3, **facts) -> None:
        """Add one image; series that share a number share an identifier."""
        path = self.folder / f"{len(self.images)}.nii"
        write_stored(path, np.zeros((size, 2, 2), np.int16), np.eye(4), 1.0, 0.0, {})
        known = {"EchoTime": te_s, "FlipAngle": 15, "RepetitionTime": 0.03, "ScanningSequence": "GR"}
        known["ImageType"] = ["ORIGINAL", "PRIMARY", POLAR_WORDS[part], *words]
        self.images.append(Raw(path=path, number=number, uid=f"1.{number}", study="1", marks="", facts=known | facts))

    def echo(self, numbers: tuple[int, int], te_s: float, **more) -> None:
        """Add magnitude and phase."""
        for number, part in zip(numbers, POLAR_WORDS, strict=True):
            self.image(number, part, te_s, **more)

    def chosen(self) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
        """Series numbers and echo times [s] of every scan; fails where there are problems."""
        pairs, _, problems = choose(self.images, "p1")
        assert problems == []
        return [told(pair) for pair in pairs]

    def problem(self) -> str:
        """What is wrong with the first."""
        return str(choose(self.images, "p1")[2][0])


def told(pair: Pair) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return pair.numbers, pair.first.te_s


def test_one_echo_is_a_scan_where_there_is_no_other(visit):
    visit.echo((5, 6), 0.02)
    assert visit.chosen() == [((5, 6), (0.02,))]


def test_one_echo_is_skipped_beside_several(visit):
    for te_s in TE_S:
        visit.echo((5, 6), te_s)
    visit.echo((8, 9), 0.02, RepetitionTime=0.028)
    pairs, skipped, problems = choose(visit.images, "p1")
    assert [told(pair) for pair in pairs] == [((5, 6), TE_S)]
    assert [series[:2] for series in skipped] == [(8, "one echo"), (9, "one echo")]
    assert problems == []


def test_a_difference_of_phases_is_no_phase_of_an_echo(visit):
    visit.image(5, "mag", TE_S[0])
    visit.image(6, "phase", TE_S[1])
    assert "series 5 (mag without its other part), series 6 (phase without its other part)" in visit.problem()


@pytest.mark.parametrize(
    "numbers",
    [[(5, 6), (7, 8), (9, 10)], [(5, 8), (6, 9), (7, 10)], [(501, 502), (601, 602), (701, 702)]],
    ids=["echo by echo", "part by part", "far numbers"],
)
def test_echoes_in_a_series_each_are_joined(visit, numbers):
    for te_s, pair in zip(TE_S, numbers, strict=True):
        visit.echo(pair, te_s)
    assert visit.chosen() == [(tuple(sorted(sum(numbers, ()))), TE_S)]


def test_echoes_are_joined_by_time_whatever_the_order_of_series(visit):
    for start, te_s in zip((9, 7, 5), TE_S, strict=True):
        visit.echo((start, start + 1), te_s)
    assert visit.chosen() == [((5, 6, 7, 8, 9, 10), TE_S)]


def test_the_magnitudes_of_one_series_take_phases_in_a_series_each(visit):
    for step, te_s in enumerate(TE_S):
        visit.echo((5, 6 + step), te_s)
    assert visit.chosen() == [((5, 6, 7, 8), TE_S)]


def test_repeated_scans_are_joined_each_for_itself(visit):
    for start, te_s in zip((5, 7, 9, 11), (*TE_S[:2], *TE_S[:2]), strict=True):
        visit.echo((start, start + 1), te_s)
    assert visit.chosen() == [((5, 6, 7, 8), TE_S[:2]), ((9, 10, 11, 12), TE_S[:2])]


def test_one_echo_repeated_is_two_scans(visit):
    for start in (5, 7):
        visit.echo((start, start + 1), 0.02)
    assert visit.chosen() == [((5, 6), (0.02,)), ((7, 8), (0.02,))]


@pytest.mark.parametrize("other", [{"FlipAngle": 6}, {"RepetitionTime": 0.05}])
def test_echoes_of_other_protocols_are_not_joined(visit, other):
    visit.echo((5, 6), TE_S[0])
    visit.echo((7, 8), TE_S[1], **other)
    assert [te_s for _, te_s in visit.chosen()] == [TE_S[:1], TE_S[1:2]]


def test_images_that_the_scanner_computed_do_not_part_echoes(visit):
    visit.echo((5, 6), TE_S[0])
    visit.image(7, "mag", TE_S[0], words=("MIP",))
    visit.echo((8, 9), TE_S[1])
    assert visit.chosen() == [((5, 6, 8, 9), TE_S[:2])]


def test_echoes_with_another_scan_between_are_refused(visit):
    visit.echo((5, 6), TE_S[0])
    visit.image(7, "mag", 0.002, size=9, ScanningSequence="SE")
    visit.echo((8, 9), TE_S[1])
    expected = "the echoes of a scan in neighbouring series, each once (take the series of other scans away)"
    assert visit.problem() == f"p1, series 5 and 8 (mag): expected {expected}, found series 7 between them"


@pytest.mark.parametrize(
    "order", [(0, 0, 1), (0, 1, 1, 0), (0, 0, 1, 1)], ids=["one missing", "turned round", "interleaved"]
)
def test_echoes_whose_scans_are_unclear_are_refused(visit, order):
    for step, echo in enumerate(order):
        visit.echo((5 + 2 * step, 6 + 2 * step), TE_S[echo])
    assert visit.problem().endswith("found echo times " + ", ".join(f"{TE_S[echo]:g}" for echo in order) + " s")


def test_an_echo_without_phase_is_refused(visit):
    visit.echo((5, 6), TE_S[0])
    visit.echo((7, 8), TE_S[1])
    visit.image(9, "mag", TE_S[2])
    expected = "the same echoes as mag, 0.004, 0.008, 0.012 s, in phase"
    assert visit.problem() == f"p1, series 5, 6, 7, 8 and 9: expected {expected}, found 0.004, 0.008 s"


def test_what_is_told_by_no_word_is_no_magnitude_without_a_phase(visit):
    visit.image(5, "mag", TE_S[0], ImageType=["ORIGINAL", "PRIMARY"])
    visit.image(6, "phase", TE_S[0])
    assert "series 5 (neither magnitude, phase, real nor imaginary by its ImageType)" in visit.problem()
