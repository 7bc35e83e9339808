"""Numbers, times and lists in words, as pages, texts and messages of the workflow write them."""

from collections.abc import Iterable, Mapping
from math import floor, log10

import numpy as np

NONE = "—"  # where there is no value
MAP_NAMES = {"chi": "χ", "chi_ppm": "χ", "r2star": "R2*", "r2star_hz": "R2*"}
MAPS = {"chi_ppm": ("χ", "ppm"), "r2star_hz": ("R2*", "1/s"), "t2star_ms": ("T2*", "ms"), "s0": ("S0", "a.u.")}


def known(value: object) -> bool:
    """Whether a cell of a table holds a value: neither None nor NaN."""
    return value is not None and value == value


def number(value: object, digits: int = 3) -> str:
    """Numbers to so many significant digits, n/a where there is none, lists and mappings as plain text."""
    if not known(value):
        return "n/a"
    if isinstance(value, float):
        return f"{value:.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {number(item, digits)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number(item, digits) for item in value)
    return str(value)


def heading(column: str) -> str:
    """A column of the statistics of a scan in words: `chi_ppm_mean` → χ mean [ppm]."""
    for key, (name, unit) in MAPS.items():
        if column.startswith(f"{key}_"):
            return f"{name} {column.removeprefix(f'{key}_')} [{unit}]"
    return column.replace("_mm3", " [mm³]").replace("_", " ")


def percent(value: float, digits: int = 1) -> str:
    """A fraction as a percentage without its sign."""
    return f"{100 * value:.{digits}f}" if known(value) else NONE


def p_value(p: float) -> str:
    """A p-value with as many digits as carry meaning."""
    if not known(p):
        return NONE
    return f"{p:.3f}" if p >= 1e-3 else f"{p:.1e}"


def plain(values: Iterable[float], digits: int = 4) -> list[str]:
    """Numbers to so many significant digits, without trailing zeros or exponents."""
    return [np.format_float_positional(float(f"{v:.{digits}g}"), trim="-") for v in values]


def two_digits(value: float) -> str:
    """A number to two significant digits: 0.43, 7.1, 38, 1200; `<0.01` for what is smaller."""
    if value < 0.005:
        return "<0.01" if value else "0"
    decimals = max(1 - floor(log10(value)), 0)
    return f"{round(value, 1 - floor(log10(value))):.{min(decimals, 2)}f}"


def duration(seconds: float) -> str:
    """A time in two units at most: `45 s`, `3 min 20 s`, `1 h 10 min`, `2 d 3 h`."""
    whole = round(seconds)
    for unit, name, part, part_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def rounded(seconds: float) -> float:
    """A time that claims no more than an estimate can: to 5 s, minutes, 10 minutes, hours."""
    step = next(step for limit, step in ((60, 5), (3600, 60), (36000, 600), (float("inf"), 3600)) if seconds < limit)
    return max(step, step * round(seconds / step))


def estimated(seconds: float) -> str:
    """An estimate of a time in words, without digits that it cannot know."""
    return duration(rounded(seconds))


def counts(numbers: Mapping[str, int]) -> str:
    """`46 HC, 49 HH`."""
    return ", ".join(f"{count} {name}" for name, count in numbers.items())


def first_of(items: list[str], most: int) -> str:
    """All items, or the first ones and how many more there are: never just one more."""
    if len(items) <= most + 1:
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"
