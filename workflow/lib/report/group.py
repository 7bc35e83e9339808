"""The page of a study: image quality numbers of every scan, which of them stand out, and how they are distributed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recon.check.facts import CHI_NOISE, GHOST, MISFIT, NUCLEI_CONFIDENCE, REGISTRATION, RESIDUAL, SHARE, SNR
from recon.check.outliers import LIMIT, Spread, spread_of
from workflow.lib.words import NONE

HIGH, LOW, EITHER = "high", "low", "high or low"
NO_VALUE = "n/a"
KEYS = {"participant": "sub", "session": "ses", "run": "run"}  # column without its end → key of a scan's name
BINS, STRIP, DOT, MARGIN = 72, (360.0, 46.0), 2.6, 8.0  # of a strip: columns of dots; width and height, radius, edge


@dataclass(frozen=True, kw_only=True)
class Measure:
    """An image quality number.

    Parameters
    ----------
    name : column of group.tsv
    title, unit, about : what a reader is told; `unit` is 1 for a plain number
    digits : decimals that are shown; a spread below the last of them does not count
    bad : the side on which a scan deserves a look
    fact : its name among the facts of a scan's page; of several values (echoes) the largest counts
    """

    name: str
    title: str
    unit: str
    about: str
    digits: int
    bad: str
    fact: str = ""

    def of(self, page: Mapping) -> float:
        """The value of a scan; NaN where it was not measured."""
        found = page["facts"].get(self.fact) if self.fact else len(page["warnings"])
        known = [value for value in (found if isinstance(found, list) else [found]) if value is not None]
        return float(max(known, default=np.nan))

    def text(self, value: float) -> str:
        """The value with its decimals."""
        return f"{value:.{self.digits}f}".replace("-", "−") if np.isfinite(value) else NO_VALUE

    def side(self, z: float) -> str:
        """`high` or `low` where a robust z-score is an outlier's on a side that is bad; else empty."""
        found = HIGH if z > LIMIT else LOW if z < -LIMIT else ""
        return found if self.bad in (found, EITHER) else ""


MEASURES = (
    Measure(
        name="snr", title="SNR, first echo", unit="1", digits=1, bad=LOW, fact=SNR,
        about="Median of the first echo's magnitude in the brain over the standard deviation of its noise, which is "
        "measured between neighbouring voxels.",
    ),
    Measure(
        name="brain_with_chi", title="Brain with χ", unit="%", digits=1, bad=LOW, fact=SHARE,
        about="Share of the brain mask in which susceptibility is known; the rest was left out at the rim, in signal "
        "voids or where the phase is not reliable.",
    ),
    Measure(
        name="field_residual", title="Residual of the field", unit="ppm", digits=4, bad=HIGH, fact=RESIDUAL,
        about="Root mean square of the local field that the susceptibility map does not explain.",
    ),
    Measure(
        name="chi_noise", title="Noise of χ", unit="ppm", digits=4, bad=HIGH, fact=CHI_NOISE,
        about="Standard deviation of what changes between neighbouring voxels of the susceptibility map, as of white "
        "noise; it ranks scans made with the same settings.",
    ),
    Measure(
        name="r2star_misfit", title="Misfit of R2*", unit="SD of the noise", digits=2, bad=HIGH, fact=MISFIT,
        about="95th percentile over the brain of the distance between the echoes and an exponential decay; large "
        "where subjects moved or the field is steep.",
    ),
    Measure(
        name="phase_jumps", title="Jumps of the phase", unit="‰", digits=1, bad=HIGH,
        fact="of these without a field that explains it [‰]",
        about="Neighbouring voxels whose unwrapped phase lies more than half a turn apart where no field explains it, "
        "in the worst echo.",
    ),
    Measure(
        name="phase_off_line", title="Phase off its line", unit="rad", digits=2, bad=HIGH,
        fact="distance of each echo from a straight line over TE after that, rms [rad]",
        about="Root mean square distance of the worst echo's smooth phase from a straight line over echo time; large "
        "after motion or with offsets of single echoes.",
    ),
    Measure(
        name="ghost", title="Ghost", unit="%", digits=2, bad=HIGH, fact=GHOST,
        about="By how much the air beside the brain is brighter along one axis of the image than along another, in "
        "percent of the brain: what moves, as blood and eyes, is repeated along phase encoding.",
    ),
    Measure(
        name="mask_volume", title="Brain mask", unit="ml", digits=0, bad=EITHER, fact="brain mask [ml]",
        about="Volume of the brain mask. Sex, age and coverage change it, too.",
    ),
    Measure(
        name="registration", title="Registration", unit="1", digits=2, bad=LOW, fact=REGISTRATION,
        about="Correlation of the T1-weighted image with the template after registration, which places the nuclei.",
    ),
    Measure(
        name="nuclei_confidence", title="Nuclei", unit="1", digits=2, bad=LOW, fact=NUCLEI_CONFIDENCE,
        about="Median of the confidence of the nuclei, 0 to 1: from the contrast of χ between a nucleus and its "
        "surround over the spread within both.",
    ),
    Measure(
        name="warnings", title="Warnings", unit="1", digits=0, bad=HIGH,
        about="Number of warnings on the scan's page.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A number of a scan; `side` (high, low) where it stands out."""

    measure: Measure
    value: float
    z: float

    @property
    def text(self) -> str:
        """The number as it is shown."""
        return self.measure.text(self.value)

    @property
    def sort(self) -> str:
        """What the page sorts by; empty where there is no value."""
        return f"{self.value:.9g}" if np.isfinite(self.value) else ""

    @property
    def side(self) -> str:
        """`high`, `low` or nothing."""
        return self.measure.side(self.z)

    @property
    def words(self) -> str:
        """`Noise of χ high (0.0312 ppm, z +5.2)`."""
        unit = "" if self.measure.unit == "1" else f" {self.measure.unit}"
        z = f"{self.z:+.1f}".replace("-", "−")
        return f"{self.measure.title} {self.side} ({self.text}{unit}, z {z})"


@dataclass(frozen=True)
class Row:
    """A scan: its cells in the order of MEASURES, its warnings, and whether its map must not be used."""

    scan: str
    cells: tuple[Cell, ...]
    warnings: tuple[str, ...]
    broken: bool

    @property
    def entities(self) -> dict[str, str]:
        """participant_id, session_id and run_id, n/a where the name has none."""
        return entities_of(self.scan)

    @property
    def marks(self) -> list[str]:
        """In words, why somebody should look at it; worst first."""
        outliers = sorted((cell for cell in self.cells if cell.side), key=lambda cell: -abs(cell.z))
        return [*(["map broken: do not use"] if self.broken else []), *(cell.words for cell in outliers)]


@dataclass(frozen=True)
class Strip:
    """How a number is distributed: dots (x, y, scan, text, side) in a drawing, and where its median lies."""

    measure: Measure
    spread: Spread
    dots: list[dict]
    median_x: float | None
    ends: tuple[str, str]
    size: tuple[float, float] = STRIP

    @property
    def limit(self) -> str:
        """Beyond which value a scan is marked, in words; empty where none is."""
        if not self.spread.judges:
            return ""
        low, high = map(self.measure.text, self.spread.bounds())
        return {HIGH: f"above {high}", LOW: f"below {low}"}.get(self.measure.bad, f"below {low} or above {high}")

    @property
    def marked(self) -> list[str]:
        """Scans that stand out."""
        return [dot["scan"] for dot in self.dots if dot["side"]]


@dataclass(frozen=True)
class Group:
    """All that the page shows of a study."""

    rows: list[Row]
    strips: list[Strip] = field(default_factory=list)

    @property
    def marked(self) -> list[Row]:
        """Rows to look at first: broken maps, then those with most outliers."""
        found = [row for row in self.rows if row.marks]
        return sorted(found, key=lambda row: (not row.broken, -len(row.marks), row.scan))

    @property
    def judges(self) -> bool:
        """Whether any number has scans enough for outliers."""
        return any(strip.spread.judges for strip in self.strips)


def entities_of(scan: str) -> dict[str, str]:
    """`sub-01_ses-02` → participant_id sub-01, session_id ses-02, run_id n/a."""
    parts = {part.split("-")[0]: part for part in scan.split("_")}
    return {f"{name}_id": parts.get(key, NO_VALUE) for name, key in KEYS.items()}


def group_of(pages: Iterable[Mapping]) -> Group:
    """Compare the scans of a study.

    Parameters
    ----------
    pages : of every scan what its page's job wrote: `scan`, `warnings`, `broken` and `facts`
    """
    pages = sorted(pages, key=lambda page: page["scan"])
    columns, strips = [], []
    for measure in MEASURES:
        values = np.array([measure.of(page) for page in pages], float)
        spread = spread_of(values, least=10.0**-measure.digits)
        cells = [Cell(measure, float(value), float(z)) for value, z in zip(values, spread.z(values), strict=True)]
        columns.append(cells)
        strips.append(strip_of(measure, spread, cells, [page["scan"] for page in pages]))
    rows = [
        Row(page["scan"], cells, tuple(page["warnings"]), bool(page.get("broken")))
        for page, cells in zip(pages, zip(*columns, strict=True), strict=True)
    ]
    return Group(rows, strips)


def strip_of(measure: Measure, spread: Spread, cells: Sequence[Cell], scans: Sequence[str]) -> Strip:
    """One dot a scan, from the smallest to the largest value, dots of the same column stacked about the middle."""
    known = [(scan, cell) for scan, cell in zip(scans, cells, strict=True) if np.isfinite(cell.value)]
    if not known:
        return Strip(measure, spread, [], None, (NONE, NONE))
    low, high = min(cell.value for _, cell in known), max(cell.value for _, cell in known)
    width, height = STRIP
    inner = width - 2 * MARGIN

    def share(value: float) -> float:
        return (value - low) / (high - low) if high > low else 0.5

    bins = [round(share(cell.value) * BINS) for _, cell in known]
    step = min(2 * DOT, (height - 2 * DOT) / max(bins.count(bin_) for bin_ in bins))
    dots, filled = [], dict.fromkeys(bins, 0)
    for (scan, cell), bin_ in zip(known, bins, strict=True):
        rank = filled[bin_]
        filled[bin_] += 1
        offset = (rank + 1) // 2 * (1 if rank % 2 else -1)  # 0, 1, −1, 2, −2 …
        x, y = MARGIN + inner * bin_ / BINS, height / 2 + step * offset
        dots.append({"x": f"{x:.1f}", "y": f"{y:.1f}", "scan": scan, "text": cell.text, "side": cell.side})
    median_x = MARGIN + inner * share(spread.median)
    return Strip(measure, spread, dots, round(median_x, 1), (measure.text(low), measure.text(high)))


def table_of(group: Group) -> pd.DataFrame:
    """One row a scan: participant, session, run, the numbers, and the columns in which the scan stands out."""
    return pd.DataFrame([
        row.entities
        | {cell.measure.name: cell.value for cell in row.cells}
        | {"outliers": ",".join(f"{cell.measure.name}:{cell.side}" for cell in row.cells if cell.side) or None}
        | {"broken": int(row.broken)}
        for row in group.rows
    ])  # fmt: skip


def dictionary_of() -> dict[str, dict]:
    """What the columns of the table mean, as BIDS has it beside a TSV."""
    names = {f"{name}_id": {"Description": f"{name} of the scan"} for name in KEYS}
    numbers = {
        measure.name: {"LongName": measure.title, "Description": measure.about, "Units": measure.unit}
        for measure in MEASURES
    }
    rule = (
        f"columns in which the scan stands out, on the side that is bad: robust |z| above {LIMIT:g} (median and MAD "
        "over the scans of the study; Iglewicz and Hoaglin 1993); n/a: in none, or fewer than 8 scans"
    )
    broken = {"Description": "whether the map must not be used", "Levels": {"0": "no", "1": "yes: see the scan's page"}}
    return {**names, **numbers, "outliers": {"Description": rule}, "broken": broken}
