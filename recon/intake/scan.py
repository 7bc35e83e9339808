"""Which files make a scan: two parts of every echo, and what the user adds to them."""

from dataclasses import dataclass
from typing import NamedTuple

POLAR, CARTESIAN = ("mag", "phase"), ("real", "imag")


class Image(NamedTuple):
    """One 3-D image: a file, and its place along the fourth axis where the file holds several."""

    path: str
    volume: int | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """One multi-echo series, ordered by echo time.

    Parameters
    ----------
    parts : ("mag", "phase") or ("real", "imag")
    images : for each of the two parts, one Image an echo
    te_s : echo times [s], ascending
    facts : for each echo, its merged sidecars; where both parts tell a fact, the second part's
    sidecars : the files that `facts` was read from
    """

    parts: tuple[str, str]
    images: tuple[tuple[Image, ...], tuple[Image, ...]]
    te_s: tuple[float, ...]
    facts: tuple[dict, ...]
    sidecars: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every image file once: first the first part's, then the second's."""
        return tuple(dict.fromkeys(image.path for part in self.images for image in part))


class OwnRegions(NamedTuple):
    """Regions that the user drew: a label image with the table of its names, or a mask, which needs none.

    Parameters
    ----------
    key : what the file's name says beyond the scan's, `desc-atlas_dseg` or `label-lesion_mask`
    image : path
    names : path of `…_dseg.tsv`; None of a mask
    """

    key: str
    image: str
    names: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One visit of a subject: everything that is reconstructed together.

    Parameters
    ----------
    name : `sub-01`, `sub-01_ses-02`, `sub-01_run-1` or `sub-01_ses-02_run-1`
    series : the series that is reconstructed, of two flip angles the higher
    low_flip : the series at the lower flip angle
    mask, nuclei, t1w : the user's own brain mask, labels of nuclei and T1-weighted image, which nothing replaces
    b1 : the user's own map of the transmit field, for T1
    regions : the user's own labels of other regions and masks of lesions, by key
    notes : what names and headers tell that a user must see
    """

    name: str
    series: Series
    low_flip: Series | None = None
    mask: str | None = None
    nuclei: str | None = None
    t1w: str | None = None
    b1: str | None = None
    regions: tuple[OwnRegions, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """`sub-01`."""
        return self.name.split("_")[0]

    @property
    def folder(self) -> str:
        """Folder of the visit in a BIDS dataset: `sub-01` or `sub-01/ses-02`."""
        return "/".join(label for label in self.name.split("_") if label.startswith(("sub-", "ses-")))
