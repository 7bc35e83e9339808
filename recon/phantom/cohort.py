r"""Who is in the simulated cohort: age, sex, group and iron of every subject, and how well the groups can be separated.

Latent model of a subject of age t and group y (1: hereditary haemochromatosis, HH; 0: healthy control, HC),
with x the susceptibilities and R2* of all nuclei:

.. math:: x = f(t) + g(t) (\epsilon + y \delta), \qquad \epsilon \sim N(0, \Sigma)

f is linear in age, the spread g grows with age (Treit 2021, 498 volunteers). Iron raises both
susceptibility and R2* and is correlated between nuclei; myelin lowers the first and raises the second;
R2* has a term of its own besides. As f, g, Sigma and delta are known, so is the best possible classifier.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np

from recon.intake.vendors import VENDORS
from recon.phantom.sites import Site, check_sites, site_auc, site_of
from recon.problems import to_type
from recon.regions.nuclei import nucleus_names

ILL, WELL = "HH", "HC"  # labels of hereditary haemochromatosis and of healthy controls
AGE_MEAN, AGE_SD, AGE_RANGE = 55.0, 14.0, (20, 85)  # years
MALE_SHARE = 2 / 3
REFERENCE_AGE = 50.0  # years, at which REGIONS hold
SPREAD_PER_YEAR = 0.01  # growth of g per year, relative to the reference age
IRON_CORRELATION = 0.4  # between nuclei
MYELIN_SHARE = 0.4  # of the susceptibility's SD
MYELIN_R2STAR_SHARE = 0.7  # of the SD of R2* that iron leaves
R2STAR_PER_CHI = 0.115 / 0.75  # 1/s per ppb of iron: R2* = 14 + 0.115 Fe, chi = 0.75 Fe - 19, Fe in ug/g


@dataclass(frozen=True, kw_only=True)
class Simulate:
    """Section ``simulate`` of the configuration; ``sites`` may hold plain mappings, as a file has them.

    Sites lie in the order of their names, so that who is scanned where does not depend on the lines of a file.
    """

    preset: str
    subjects: int
    seed: int
    voxel_size_mm: tuple[float, float, float]
    te_s: tuple[float, ...]
    tr_s: float
    flip_angles_deg: tuple[float, ...]
    b0_tesla: float
    b0_tilt_deg: float
    snr: float
    vendor: str
    sites: Mapping[str, Site]

    def __post_init__(self) -> None:
        sites = {name: site if isinstance(site, Site) else Site(**site) for name, site in sorted(self.sites.items())}
        object.__setattr__(self, "sites", sites)
        check_sites(sites, len(self.te_s))
        if self.vendor not in VENDORS:
            line = to_type("simulate.vendor", next(iter(VENDORS)))
            raise ValueError(
                f"simulate.vendor: expected one of {', '.join(VENDORS)}, found {self.vendor} (for example {line})"
            )
        if self.preset not in PRESETS:
            line = to_type("simulate.preset", next(iter(PRESETS)))
            raise ValueError(
                f"simulate.preset: expected one of {', '.join(PRESETS)}, found {self.preset} (for example {line})"
            )
        if self.subjects < 2 or self.subjects % 2:
            found = f"{self.subjects} (for example {to_type('simulate.subjects', max(2, self.subjects + 1))})"
            raise ValueError(f"simulate.subjects: expected an even number (matched pairs), found {found}")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Group difference: ``d`` is Cohen's d of susceptibility in the most affected nuclei at a given age."""

    d: float
    age_shift: int


@dataclass(frozen=True, kw_only=True)
class Region:
    """Susceptibility [ppb] and R2* [1/s] of a nucleus at the reference age, and its share of the group effect."""

    chi_ppb: float
    chi_per_year: float
    chi_sd: float
    r2star_hz: float
    r2star_sd: float
    effect: float


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One simulated person; ``chi_ppb`` and ``r2star_hz`` are in the order of `recon.regions.nuclei.nucleus_names`.

    R2* is that of 3 T (`recon.phantom.tissue.r2star_at`); ``site`` is empty in a cohort of one centre.
    """

    label: str
    age: int
    sex: str
    group: str
    preset: str
    site: str
    chi_ppb: tuple[float, ...]
    r2star_hz: tuple[float, ...]
    ventricle_widening: float
    seed: tuple[int, ...]

    def rng(self, stream: int) -> np.random.Generator:
        """Random numbers of this subject alone; each use takes a stream of its own."""
        return np.random.default_rng([*self.seed, stream])


PRESETS = {
    "null": Preset(d=0.0, age_shift=0),
    "paper": Preset(d=1.3, age_shift=0),
    "easy": Preset(d=2.5, age_shift=0),
    "confounded": Preset(d=0.0, age_shift=8),
}
REGIONS = {
    "caudate": Region(chi_ppb=45, chi_per_year=0.3, chi_sd=9, r2star_hz=23, r2star_sd=2.2, effect=0.8),
    "putamen": Region(chi_ppb=70, chi_per_year=0.6, chi_sd=14, r2star_hz=27, r2star_sd=3.0, effect=1.0),
    "pallidum": Region(chi_ppb=140, chi_per_year=0.15, chi_sd=20, r2star_hz=38, r2star_sd=4.5, effect=0.6),
    "thalamus": Region(chi_ppb=15, chi_per_year=-0.1, chi_sd=8, r2star_hz=20, r2star_sd=1.5, effect=0.6),
    "red_nucleus": Region(chi_ppb=105, chi_per_year=0.4, chi_sd=24, r2star_hz=33, r2star_sd=4.0, effect=1.0),
    "substantia_nigra": Region(chi_ppb=125, chi_per_year=0.3, chi_sd=24, r2star_hz=35, r2star_sd=4.5, effect=1.0),
    "dentate": Region(chi_ppb=110, chi_per_year=0.4, chi_sd=26, r2star_hz=31, r2star_sd=5.0, effect=1.0),
}


def _column(field: str) -> np.ndarray:
    return np.array([getattr(REGIONS[name], field) for name in nucleus_names()])


def age_mean(age: float) -> np.ndarray:
    """f(t): (2 n,) susceptibility [ppb] of the n nuclei, then R2* [1/s], of controls of that age."""
    drift = _column("chi_per_year") * (age - REFERENCE_AGE)
    return np.r_[_column("chi_ppb") + drift, _column("r2star_hz") + R2STAR_PER_CHI * drift]


def age_spread(age: float) -> float:
    """g(t): between-subject spread relative to the reference age."""
    return 1 + SPREAD_PER_YEAR * (age - REFERENCE_AGE)


@cache
def mixing() -> np.ndarray:
    """A with Sigma = A A': (2 n, 1 + 3 n) from one shared and n own iron, n myelin and n R2* factors."""
    chi_sd, r2star_sd = _column("chi_sd"), _column("r2star_sd")
    iron = np.sqrt(1 - MYELIN_SHARE**2) * chi_sd  # ppb
    rest = np.sqrt(r2star_sd**2 - (R2STAR_PER_CHI * iron) ** 2)  # 1/s, what iron leaves of R2*
    factors = np.c_[np.sqrt(IRON_CORRELATION) * iron, np.sqrt(1 - IRON_CORRELATION) * np.diag(iron)]
    none = np.zeros((len(iron), len(iron)))
    chi = np.c_[factors, -MYELIN_SHARE * np.diag(chi_sd), none]
    own = np.sqrt(1 - MYELIN_R2STAR_SHARE**2)
    r2star = np.c_[R2STAR_PER_CHI * factors, MYELIN_R2STAR_SHARE * np.diag(rest), own * np.diag(rest)]
    A = np.r_[chi, r2star]
    A.flags.writeable = False  # shared by all callers
    return A


def group_shift(preset: str) -> np.ndarray:
    """delta: (2 n,) shift of HH in susceptibility [ppb] and R2* [1/s] at the reference age."""
    chi = PRESETS[preset].d * _column("effect") * _column("chi_sd")
    return np.r_[chi, R2STAR_PER_CHI * chi]


def subject(cfg: Simulate, index: int) -> Subject:
    """Subject number `index`. Subjects 2k and 2k + 1 are a pair of equal age and sex, drawn from (seed, k) alone.

    Which of the two has HH is drawn as well, so that labels tell nothing. Where sites have unequal shares of patients
    and controls, the two may be scanned at different sites, whose subjects may differ in age.
    """
    pair, member = divmod(index, 2)
    rng = np.random.default_rng([cfg.seed, pair])
    age = int(np.clip(round(rng.normal(AGE_MEAN, AGE_SD)), *AGE_RANGE))
    sex = "M" if rng.random() < MALE_SHARE else "F"
    ill = member == rng.integers(2)
    A = mixing()
    factors = rng.standard_normal((2, A.shape[1]))[member]
    widening = rng.normal(0, 0.04, 2)[member]
    if ill:
        age = min(age + PRESETS[cfg.preset].age_shift, AGE_RANGE[1])
    if site := site_of(cfg.sites, pair, bool(ill)):
        age = int(np.clip(age + cfg.sites[site].age_shift_years, *AGE_RANGE))
    x = age_mean(age) + age_spread(age) * (A @ factors + ill * group_shift(cfg.preset))
    chi, r2star = np.split(x, 2)
    return Subject(
        label=f"{index + 1:02d}",
        age=age,
        sex=sex,
        group=ILL if ill else WELL,
        preset=cfg.preset,
        site=site,
        chi_ppb=tuple(chi.tolist()),
        r2star_hz=tuple(np.maximum(r2star, 5).tolist()),
        ventricle_widening=float(np.clip(0.15 + 0.005 * (age - REFERENCE_AGE) + widening, 0, 0.4)),
        seed=(cfg.seed, pair, member),
    )


def cohort(cfg: Simulate) -> list[Subject]:
    """All subjects, in the order of their labels."""
    return [subject(cfg, index) for index in range(cfg.subjects)]


def at_site(cfg: Simulate, site: str) -> Simulate:
    """Settings with the scanner of a site; those of the cohort itself where `site` is empty."""
    return replace(cfg, **cfg.sites[site].scan) if site else cfg


def subject_by_label(cfg: Simulate, label: str) -> Subject:
    """The subject with a label such as ``01``."""
    if not (label.isdigit() and 1 <= int(label) <= cfg.subjects):
        raise ValueError(f"subject: expected a label from 01 to {cfg.subjects:02d}, found {label}")
    return subject(cfg, int(label) - 1)


def oracle_score(person: Subject) -> float:
    r"""Log-likelihood ratio of HH over HC from the true susceptibility, R2* and age with the generating parameters.

    .. math:: \delta' \Sigma^{-1} (r - \delta / 2), \qquad r = (x - f(t)) / g(t)
    """
    A, delta = mixing(), group_shift(person.preset)
    r = (np.r_[person.chi_ppb, person.r2star_hz] - age_mean(person.age)) / age_spread(person.age)
    return float(np.linalg.solve(A @ A.T, delta) @ (r - delta / 2))


def oracle_auc(people: list[Subject]) -> float:
    """Area under the ROC curve of `oracle_score` in this very sample: no honest model should pass it by much."""
    ill, well = (np.array([oracle_score(p) for p in people if p.group == group]) for group in (ILL, WELL))
    above = ill[:, None] - well[None, :]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def bayes_limit(preset: str, sites: Mapping[str, Site] | None = None) -> dict[str, float]:
    r"""Best accuracy and AUC that any classifier can expect from susceptibility and R2* when age is known.

    With the Mahalanobis distance :math:`D^2 = \delta' \Sigma^{-1} \delta` these are :math:`\Phi(D/2)` and
    :math:`\Phi(D/\sqrt 2)`. ``auc_age`` is what age alone tells, ``auc_chi`` what susceptibility tells without R2*,
    ``auc_site`` what the site alone tells of a cohort with sites. None of the others makes use of the site.
    """
    A, delta = mixing(), group_shift(preset)
    sigma, n = A @ A.T, len(delta) // 2
    D = float(np.sqrt(delta @ np.linalg.solve(sigma, delta)))
    D_chi = float(np.sqrt(delta[:n] @ np.linalg.solve(sigma[:n, :n], delta[:n])))
    phi = NormalDist().cdf
    return {
        "d": PRESETS[preset].d,
        "D": D,
        "accuracy": phi(D / 2),
        "auc": phi(D / np.sqrt(2)),
        "auc_chi": phi(D_chi / np.sqrt(2)),
        "auc_age": phi(PRESETS[preset].age_shift / AGE_SD / np.sqrt(2)),
        "auc_site": site_auc(sites or {}),
    }
