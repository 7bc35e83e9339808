"""Numbers and times in words."""

import pytest

from workflow.lib.words import duration, estimated, two_digits


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.001, "<0.01"), (0.0432, "0.04"), (0.432, "0.43"), (7.123, "7.1"), (1234, "1200")]
)
def test_no_digit_is_shown_that_means_nothing(value, shown):
    assert two_digits(value) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (4200, "1 h 10 min"), (7200, "2 h"), (183600, "2 d 3 h")],
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "5 s"), (40, "40 s"), (42, "40 s"), (200, "3 min"), (600, "10 min"), (4321, "1 h 10 min"),
        (3 * 3600, "3 h"), (50000, "14 h"), (5 * 86400, "5 d"),
    ],
)  # fmt: skip
def test_what_is_estimated_is_rounded(seconds, text):
    assert estimated(seconds) == text
