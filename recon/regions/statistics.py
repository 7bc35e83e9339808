"""Statistics of every map in every region of one scan, one row a number: what the table of the study joins.

What counts: a voxel of the region that is finite and not zero in the map; zero means that it was not measured.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from recon.grid import Vector
from recon.maths.boxes import bounding_box
from recon.regions.confidence import DOUBTFUL
from recon.regions.shapes import WHITE_MATTER, names_in, voxels_of

COLUMNS = [
    "nucleus", "hemisphere", "map", "statistic", "value", "unit", "voxels", "confidence", "reference", "segmentation",
    "flag",
]  # fmt: skip
DOUBTFUL_PLACE = "doubtful"  # flag of a nucleus whose place susceptibility cannot confirm
NUCLEI, BOTH = "nuclei", "both"  # the segmentation of Q-Net's own regions; both sides of a nucleus together
PERCENTILES = {"median": 50, "p5": 5, "p25": 25, "p75": 75, "p95": 95}
DIGITS = 6  # that carry meaning


class Quantity(NamedTuple):
    """What a map holds: unit, meaning, and width of a bin of its histogram, None where the unit is arbitrary.

    With these widths the values of a brain fill 30 to 130 bins, for which entropy was found repeatable (Tixier 2012,
    doi:10.2967/jnumed.111.099127).
    """

    unit: str
    meaning: str
    bin_width: float | None = None


QUANTITIES = {
    "chi": Quantity("ppm", "magnetic susceptibility", 0.01),
    "r2star": Quantity("1/s", "effective transverse relaxation rate R2*", 1.0),
    "t2star": Quantity("ms", "effective transverse relaxation time T2*", 1.0),
    "s0": Quantity("arbitrary", "signal at TE = 0"),
    "t1w": Quantity("arbitrary", "T1-weighted image"),
    "t1": Quantity("s", "longitudinal relaxation time T1", 0.025),
    "pd": Quantity("arbitrary", "proton density"),
}
STATISTICS = {  # name: what it is; the first are of every region, `core` of nuclei, the last of what the user drew
    "mean": "mean of the voxels",
    "median": "median of the voxels",
    "core": "median of the voxels, each counted by the square of its depth below the surface of the nucleus",
    "sd": "standard deviation of the voxels (n - 1)",
    "p5": "5th percentile of the voxels",
    "p25": "25th percentile of the voxels",
    "p75": "75th percentile of the voxels",
    "p95": "95th percentile of the voxels",
    "skewness": "third central moment over the 3/2 power of the second",
    "kurtosis": "fourth central moment over the square of the second, less 3",
    "energy": "sum of the squares of the voxels",
    "entropy": "entropy of the histogram with bins of fixed width [bit]",
}
UNITLESS = ("skewness", "kurtosis")


class Region(NamedTuple):
    """A region of a scan: its names, where it is (X, Y, Z) bool, whether the user drew it.

    `sure` is the confidence of its place, see :mod:`recon.regions.confidence`, and `flag` is said of its rows.
    """

    segmentation: str
    nucleus: str
    hemisphere: str | None
    where: np.ndarray
    own: bool = False
    sure: float | None = None
    flag: str | None = None


def quantity_of(map_name: str) -> Quantity:
    """What a map holds; `chi_echo3` is susceptibility of one echo."""
    return QUANTITIES[map_name.split("_")[0]]


def nuclei_regions(
    labels: np.ndarray, white: np.ndarray, sure: Mapping[int, float] | None = None, drawn: bool = False
) -> Iterator[Region]:
    """Each side of each nucleus of (X, Y, Z) uint8 labels, both sides together, and white matter outside of them.

    A nucleus that is labelled in parts has its own rows, those of the union, beside those of the parts.

    `sure`: confidence by label; both sides together are as sure as the less sure one. Labels below `DOUBTFUL` are
    flagged, unless they were `drawn` by the user.
    """
    names, sure = names_in(labels), sure or {}
    sides = {label: voxels_of(labels, label) for label in names}

    def region(hemisphere: str, of: Sequence[int]) -> Region:
        least = min((sure[label] for label in of if label in sure), default=None)
        flag = DOUBTFUL_PLACE if least is not None and least < DOUBTFUL and not drawn else None
        where = np.logical_or.reduce([sides[label] for label in of])
        return Region(NUCLEI, names[of[0]][0], hemisphere, where, sure=least, flag=flag)

    for label, (_, hemisphere) in names.items():
        yield region(hemisphere, [label])
    for name in dict.fromkeys(name for name, _ in names.values()):
        yield region(BOTH, [label for label, (other, _) in names.items() if other == name])
    yield Region(NUCLEI, WHITE_MATTER, None, white & (labels == 0))


def own_regions(key: str, labels: np.ndarray, names: Mapping[int, str]) -> Iterator[Region]:
    """The regions of one of the user's images, see :func:`recon.regions.user_maps.user_regions`."""
    for label, name in names.items():
        yield Region(key, name, None, labels == label, own=True)


def statistics_table(
    regions: Iterable[Region],
    maps: Mapping[str, np.ndarray],
    voxel_size_mm: Vector,
    reference: str,
    flag: str | None = None,
) -> pd.DataFrame:
    """Volume of each region and statistics of each map in it.

    Parameters
    ----------
    regions : of one scan, also those that hold no voxel
    maps : name, a key of `QUANTITIES` or `chi_echoN` → (X, Y, Z) array in the unit of `QUANTITIES`
    voxel_size_mm : (3,) edge lengths of a voxel
    reference : whose mean is zero in the map `chi`; maps of single echoes have none
    flag : said of every row, beside that of its region

    Returns
    -------
    DataFrame
        The columns `COLUMNS`; `voxels` are those that the number is made from, `value` is text with six digits that
        carry meaning, missing where nothing was measured.
    """
    rows: list[tuple] = []
    for region in regions:
        said = "; ".join(filter(None, (flag, region.flag))) or None
        sure = None if region.sure is None else f"{region.sure:.{DIGITS}g}"
        place = region.segmentation, said
        names = region.nucleus, region.hemisphere
        box = bounding_box(region.where)  # of nuclei a hundredth of the image
        inside = region.where[box]
        depth_mm = None if region.hemisphere is None else depth(inside, voxel_size_mm)[inside]
        voxels = int(np.count_nonzero(inside))
        volume_mm3 = voxels * float(np.prod(voxel_size_mm))
        rows.append((*names, None, "volume", f"{volume_mm3:.{DIGITS}g}", "mm3", voxels, sure, None, *place))
        for name, data in maps.items():
            values = data[box][inside].astype(np.float64)
            known = np.isfinite(values) & (values != 0)
            values = values[known]
            zero = {"chi": reference}.get(name, "none" if name.startswith("chi") else None)
            quantity = quantity_of(name)
            deep = None if depth_mm is None else depth_mm[known]
            for statistic, value in summary(values, quantity.bin_width, more=region.own, depth_mm=deep).items():
                text = f"{value:.{DIGITS}g}" if np.isfinite(value) else None
                rows.append(
                    (*names, name, statistic, text, unit_of(statistic, quantity.unit), values.size, sure, zero, *place)
                )
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def unit_of(statistic: str, unit: str) -> str:
    """Unit of a statistic of a map."""
    of_statistic = {**dict.fromkeys(UNITLESS, "1"), "entropy": "bit", "energy": f"({unit})^2"}
    return of_statistic.get(statistic, unit)


def depth(inside: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Distance [mm] of each voxel of an (X, Y, Z) bool array to the nearest one outside; past its edge is outside."""
    return ndimage.distance_transform_edt(np.pad(inside, 1), voxel_size_mm)[1:-1, 1:-1, 1:-1]


def core(values: np.ndarray, depth_mm: np.ndarray) -> float:
    """Median of (n,) values, each counted by the square of its depth (n,) [mm], not a number where there are none.

    It answers for the inside of a nucleus: a label whose border is off by a voxel changes it less than mean and median.
    The power was chosen on the head `mni` of `benchmarks.generators`.
    """
    if not values.size:
        return np.nan
    order = np.argsort(values)
    weight = depth_mm[order] ** 2
    return float(np.interp(weight.sum() / 2, np.cumsum(weight) - weight / 2, values[order]))


def summary(
    values: np.ndarray, bin_width: float | None, more: bool, depth_mm: np.ndarray | None = None
) -> dict[str, float]:
    r"""Statistics of (n,) values, not a number where there are too few; keys in the order of `STATISTICS`.

    Parameters
    ----------
    values : (n,) finite numbers
    bin_width : of the histogram, whose bins begin at multiples of it; None leaves the entropy out
    more : whether to add the first-order features of radiomics: with central moments :math:`m_k` skewness
        :math:`m_3 / m_2^{3/2}` and excess kurtosis :math:`m_4 / m_2^2 - 3` (both zero where all values agree), energy
        :math:`\sum x^2` and entropy :math:`-\sum p \log_2 p` (IBSI: Zwanenburg 2020, doi:10.1148/radiol.2020191145)
    depth_mm : (n,) depth of the voxels in their region, see :func:`core`; None leaves it out
    """
    n = values.size
    percentiles = np.percentile(values, [*PERCENTILES.values()]) if n else np.full(len(PERCENTILES), np.nan)
    of = dict(zip(PERCENTILES, percentiles.tolist(), strict=True))
    found = {"mean": float(values.mean()) if n else np.nan, "median": of.pop("median")}
    found |= {} if depth_mm is None else {"core": core(values, depth_mm)}
    found |= {"sd": float(values.std(ddof=1)) if n > 1 else np.nan, **of}
    if not more:
        return found
    found |= dict.fromkeys(("skewness", "kurtosis", "energy"), np.nan)
    if n:
        deviation = values - values.mean()
        spread = float(np.sqrt(np.mean(deviation**2)))
        scaled = deviation / spread if spread else deviation
        found["skewness"] = float(np.mean(scaled**3))
        found["kurtosis"] = float(np.mean(scaled**4)) - 3 if spread else 0.0
        found["energy"] = float(np.sum(values**2))
    if bin_width is not None:
        share = np.unique(np.floor(values / bin_width), return_counts=True)[1] / max(n, 1)
        found["entropy"] = float(-np.sum(share * np.log2(share))) + 0.0 if n else np.nan
    return found
