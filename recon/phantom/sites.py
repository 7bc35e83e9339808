"""The centres of a simulated study: their scanners, and which subjects go where.

The shares of patients and controls at each site are known by construction, and so is what the site alone tells of the
group.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import fsum, isclose

import numpy as np

from recon.intake.vendors import VENDORS

MOST_SITES = 6
GOLDEN = (np.sqrt(5) - 1) / 2  # its multiples modulo 1 fill the unit interval evenly, however many are taken


@dataclass(frozen=True, kw_only=True)
class Site:
    """A centre: who is scanned there, and what of the scan differs from section `simulate`.

    Parameters
    ----------
    patients, controls : share of all patients and of all controls
    age_shift_years : how much older its subjects are than those of the cohort in general
    voxel_size_mm, te_s, tr_s, b0_tesla, b0_tilt_deg, snr, vendor : of its scanner; None is that of the cohort
    """

    patients: float
    controls: float
    age_shift_years: int = 0
    voxel_size_mm: tuple[float, float, float] | None = None
    te_s: tuple[float, ...] | None = None
    tr_s: float | None = None
    b0_tesla: float | None = None
    b0_tilt_deg: float | None = None
    snr: float | None = None
    vendor: str | None = None

    @property
    def scan(self) -> dict:
        """What its scanner does differently, by the setting's name."""
        of_people = ("patients", "controls", "age_shift_years")
        return {key: value for key, value in asdict(self).items() if key not in of_people and value is not None}


def check_sites(sites: Mapping[str, Site], n_echoes: int) -> None:
    """ValueError unless two to six sites of known vendors share out both groups and have as many echoes.

    Parameters
    ----------
    sites : none is a cohort of one centre
    n_echoes : of the cohort; all scans of a dataset have as many
    """
    if not sites:
        return
    if not 2 <= len(sites) <= MOST_SITES:
        raise ValueError(f"simulate.sites: expected none or 2 to {MOST_SITES} sites, found {len(sites)}")
    for group in ("patients", "controls"):
        shares = {name: getattr(site, group) for name, site in sites.items()}
        if not isclose(total := fsum(shares.values()), 1, abs_tol=1e-6):
            each = ", ".join(f"{name} {share:g}" for name, share in shares.items())
            raise ValueError(
                f"simulate.sites: expected shares of the {group} that add up to 1, found {total:g} ({each})"
            )
    for name, site in sites.items():
        if site.vendor not in (None, *VENDORS):
            raise ValueError(f"simulate.sites.{name}.vendor: expected one of {', '.join(VENDORS)}, found {site.vendor}")
        if site.te_s is not None and len(site.te_s) != n_echoes:
            expected = f"as many echoes as simulate.te_s, {n_echoes}, as all scans of a dataset have"
            raise ValueError(f"simulate.sites.{name}.te_s: expected {expected}, found {len(site.te_s)}")


def site_of(sites: Mapping[str, Site], number: int, ill: bool) -> str:
    r"""Name of the site where patient or control number `number`, from 0, is scanned; empty where there are no sites.

    .. math:: u_k = (1/2 + k \varphi) \bmod 1

    lies in the interval of one site, whose length is its share: any first subjects are shared out nearly in
    proportion, and none of them moves when the cohort grows.
    """
    if not sites:
        return ""
    names = list(sites)
    ends = np.cumsum([site.patients if ill else site.controls for site in sites.values()])
    place = (0.5 + number * GOLDEN) % 1 * ends[-1]
    return names[min(int(np.searchsorted(ends, place, side="right")), len(names) - 1)]


def site_auc(sites: Mapping[str, Site]) -> float:
    """AUC of who knows nothing of a subject but its site, and the true shares; 0.5 where there are no sites.

    Sites are ranked by patients per control; subjects of one site are ties.
    """
    patients, controls = (np.array([getattr(s, group) for s in sites.values()]) for group in ("patients", "controls"))
    odds = np.divide(patients, controls, out=np.full(len(sites), np.inf), where=controls > 0)
    above = (odds[:, None] > odds) + 0.5 * (odds[:, None] == odds)
    return float(patients @ above @ controls) if sites else 0.5
