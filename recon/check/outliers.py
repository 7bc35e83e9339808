"""Which scans of a study differ from the others: robust z-scores from median and median absolute deviation."""

from typing import NamedTuple

import numpy as np

LIMIT = 3.5  # of |z|: Iglewicz and Hoaglin, p. 13
LEAST_SCANS = 8  # below, median and spread are those of a handful
NORMAL = 0.6745  # MAD over the standard deviation of a normal distribution


class Spread(NamedTuple):
    """Where the scans of a study lie.

    Parameters
    ----------
    median : over the scans that have a value; NaN where none has
    scale : standard deviation of a normal distribution with the same MAD
    known : number of scans that have a value
    """

    median: float
    scale: float
    known: int

    @property
    def judges(self) -> bool:
        """Whether there are scans enough to call one an outlier."""
        return self.known >= LEAST_SCANS

    def z(self, values: np.ndarray) -> np.ndarray:
        """Robust z-scores; NaN where there is no value, and for all where too few scans have one."""
        return (values - self.median) / self.scale if self.judges else np.full(np.shape(values), np.nan)

    def bounds(self) -> tuple[float, float]:
        """Values beyond which a scan is an outlier."""
        return self.median - LIMIT * self.scale, self.median + LIMIT * self.scale


def spread_of(values: np.ndarray, least: float) -> Spread:
    r"""Median and spread of a study, for z-scores :math:`z_i = 0.6745\, (x_i - \tilde x) / \mathrm{MAD}`.

    Parameters
    ----------
    values : (N,) float array, NaN where a scan has none
    least : smallest spread that counts, in the unit of the values. Where most scans have one and the same value (no
        warnings, no jumps) the MAD is zero, and any difference would be one of infinite z

    References
    ----------
    .. [1] Iglewicz and Hoaglin, How to Detect and Handle Outliers, ASQC Quality Press (1993)
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Spread(np.nan, np.nan, 0)
    median = float(np.median(known))
    mad = float(np.median(np.abs(known - median)))
    return Spread(median, max(mad / NORMAL, least), int(known.size))
