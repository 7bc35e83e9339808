"""Numbers that show whether the maps of a subject need inspection, and the warnings that follow from them."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from recon.check.facts import RESIDUAL, SHARE, SPREAD, WHITE
from recon.mask.leak import volume_ml
from recon.problems import to_type
from recon.regions.coverage import THIN_MM, THIN_SLAB
from recon.regions.shapes import WHITE_MATTER

BRAIN_ML = (900.0, 2000.0)  # plausible volume of an adult brain mask
# age [years] → mean volume over that of adults: at birth Holland, JAMA Neurol 71:1266 (2014); growth of 101 % in the
# first year and 15 % in the second: Knickmeyer, J Neurosci 28:12176 (2008); at 6 years: Lenroot and Giedd, Neurosci
# Biobehav Rev 30:718 (2006); straight lines between them, and up to adult size at 10 years
GROWTH = {0.0: 0.33, 1.0: 0.67, 2.0: 0.77, 6.0: 0.95, 10.0: 1.0}
IRON_RICH = ("caudate", "putamen", "pallidum", "red_nucleus", "substantia_nigra")  # at every adult age
MOST_VOIDS = 0.15  # of a brain mask without signal, beyond which it holds air; a haemorrhage of 100 ml is 0.08
SURE = 2.0  # standard errors by which a contrast must differ from zero


class Limit(NamedTuple):
    """What a measured number must be in a map that deserves a look.

    Parameters
    ----------
    fact : its name
    low, high : largest range; measured, see docs/reference/outputs.md
    digits : of the numbers in the sentence
    why : what is most likely where it is not
    of_brains : whether it holds for brains alone, not for phantoms
    """

    fact: str
    low: float
    high: float
    digits: int
    why: str
    of_brains: bool = True

    def sentence(self, found: float) -> str | None:
        """What to say of a value; None where it lies within the limits or was not measured."""
        if not np.isfinite(found) or self.low <= found <= self.high:
            return None
        name, unit = self.fact.removesuffix("]").split(" [")
        low, high, value = (f"{number:.{self.digits}f}" for number in (self.low, self.high, found))
        return f"Broken map, {name}: expected {low} to {high} {unit}, found {value}. {self.why}"


# no sound simulated head comes near these limits in either arm; which wrong maps pass them: docs/reference/outputs.md
LIMITS = (
    Limit(SHARE, 45.0, 100.0, 0, "Did the mask leak, is the slab thin, or is the phase noise?", of_brains=False),
    Limit(SPREAD, 0.005, 0.045, 3, "Look at the unwrapped phase: do echoes or slices differ by more than the field?"),
    Limit(WHITE, -0.06, 0.04, 3, "The number is that below or above the mean of the map. Look at the pictures."),
    Limit(RESIDUAL, 0.0, 0.010, 4, "No susceptibility explains this field: look at the unwrapped phase."),
)


class Quality(NamedTuple):
    """What a look at the maps of one subject finds.

    Parameters
    ----------
    facts : what was measured, its unit in the name
    warnings : sentences, empty if nothing looks wrong; those of `broken` come first
    broken : those that say that the map must not be used
    notes : what scans of this kind cannot show, though nothing is wrong with them
    """

    facts: Mapping[str, float | list[float]]
    warnings: list[str]
    broken: list[str]
    notes: tuple[str, ...] = ()

    def before(self, other: Self) -> "Quality":
        """What two looks find; of what is broken, and of the rest, this one's comes first."""
        broken = [*self.broken, *other.broken]
        rest = [*self.warnings[len(self.broken) :], *other.warnings[len(other.broken) :]]
        return Quality({**self.facts, **other.facts}, [*broken, *rest], broken, (*self.notes, *other.notes))


class Voids(NamedTuple):
    """Signal voids of a brain.

    Parameters
    ----------
    where : (X, Y, Z) bool of :func:`recon.mask.voids.signal_voids`
    ceiling_percent : share of their voxels in which R2* is at the largest value of the fit; NaN without R2*
    """

    where: np.ndarray
    ceiling_percent: float

    @classmethod
    def of(cls, where: np.ndarray, r2star_hz: np.ndarray | None, maximum_hz: float) -> "Voids":
        """Voids, and R2* (X, Y, Z) [1/s] in them, or None where there is no such map."""
        if r2star_hz is None or not where.any():
            return cls(where, np.nan)
        return cls(where, float(100 * np.mean(r2star_hz[where] >= np.float32(maximum_hz))))


class IronContrast(NamedTuple):
    """Susceptibility of the iron-rich nuclei against white matter [ppm].

    Parameters
    ----------
    nuclei_ppm : mean over the nuclei, each counted once
    white_matter_ppm : mean over its voxels
    error_ppm : standard error of `nuclei_ppm`, from the spread between the nuclei; zero for a single one
    """

    nuclei_ppm: float
    white_matter_ppm: float
    error_ppm: float

    @property
    def known(self) -> bool:
        """Whether nuclei and white matter were measured."""
        return bool(np.isfinite(self.nuclei_ppm) and np.isfinite(self.white_matter_ppm))


def iron_contrast(stats: pd.DataFrame) -> IronContrast:
    """Compare the iron-rich nuclei with white matter.

    Parameters
    ----------
    stats : the table of `recon.regions.localize.region_statistics`

    Returns
    -------
    IronContrast; NaN for what was not measured
    """
    means = stats.set_index("name")["chi_ppm_mean"].astype(float)
    nuclei = means[means.index.isin(IRON_RICH)].dropna()
    white = means.get(WHITE_MATTER, np.nan)
    error = nuclei.std() / np.sqrt(len(nuclei)) if len(nuclei) > 1 else 0.0
    return IronContrast(float(nuclei.mean()), float(white), float(error))


def sign_warnings(contrast: IronContrast, spread_ppm: float = 0.0, phase_sign: int | None = None) -> list[str]:
    """What to say where the nuclei are not surely more positive than white matter.

    Iron is paramagnetic and myelin diamagnetic: in a map with the right sign deep grey matter lies above white
    matter at every field strength and adult age, whatever the reference. To turn the sign is advised only where they
    lie below it by more than the map's SD: in an object without nuclei, as a phantom, they differ by less.

    Parameters
    ----------
    contrast : IronContrast
    spread_ppm : SD of the map
    phase_sign : factor of the phase that the intake took, where it is known
    """
    if not contrast.known:
        return ["The sign of χ cannot be checked: the map contains no iron-rich nucleus or no white matter."]
    difference_ppm = contrast.nuclei_ppm - contrast.white_matter_ppm
    if difference_ppm > SURE * contrast.error_ppm:
        return []
    found = (
        f"expected mean χ of the deep grey nuclei above that of white matter, found {contrast.nuclei_ppm:+.3f} ± "
        f"{contrast.error_ppm:.3f} ppm against {contrast.white_matter_ppm:+.3f} ppm."
    )
    if difference_ppm < -max(SURE * contrast.error_ppm, spread_ppm):
        others = [sign for sign in (1, -1) if sign != phase_sign]
        lines = " or ".join(to_type("prepare_echoes.phase_sign", sign) for sign in others)
        return [f"Phase sign: {found} If the pictures show the nuclei in the right place, turn it: {lines}."]
    return [f"Phase sign not confirmed: {found} Check the nuclei and the noise of the map."]


def expected_brain_ml(age_years: float | None) -> tuple[float, float]:
    """Plausible volume of a brain mask at an age; that of adults where it is unknown."""
    if age_years is None or not np.isfinite(age_years):
        return BRAIN_ML
    share = float(np.interp(age_years, list(GROWTH), list(GROWTH.values())))
    return BRAIN_ML[0] * share, BRAIN_ML[1] * share


def size_warnings(volume: float, age_years: float | None) -> list[str]:
    """What to say of a brain mask [ml] that is not as large as a brain of that age."""
    low, high = expected_brain_ml(age_years)
    if low <= volume <= high:
        return []
    known = age_years is not None and np.isfinite(age_years)
    age = f" at {age_years:g} years" if known else ""
    a_child_s = not known and expected_brain_ml(0.0)[0] <= volume <= low
    child = " A child's brain is smaller: a column `age` in participants.tsv tells." if a_child_s else ""
    return [
        f"Brain mask: expected {low:.0f} to {high:.0f} ml{age}, found {volume:.0f} ml. "
        f"Partial coverage, or did brain extraction fail?{child}"
    ]


def slab_warnings(stats: pd.DataFrame) -> list[str]:
    """What to say where the field of view is too thin along B0 for the statistics of the nuclei."""
    if "flag" not in stats or not (stats["flag"] == THIN_SLAB).any():
        return []
    return [
        "Thin slab: less than "
        f"{THIN_MM:.0f} mm of the brain lie in the field of view along B0. Susceptibility of the nuclei is too small "
        "there, and their statistics are flagged."
    ]


def void_warnings(voids: Voids, volume: float, mask_ml: float) -> list[str]:
    """What to say of signal voids of that volume [ml] in a brain mask."""
    if not voids.where.any():
        return []
    if volume > MOST_VOIDS * mask_ml:
        return [
            f"Brain mask: {volume:.0f} of its {mask_ml:.0f} ml have next to no signal: it reaches into air or bone. "
            "Give a tighter one as desc-brain_mask; there is no χ where there is no signal."
        ]
    ceiling = f" R2* is at its ceiling in {voids.ceiling_percent:.0f} % of it." if voids.ceiling_percent > 0 else ""
    return [
        f"Signal void: {volume:.1f} ml of the brain have next to no signal (haemorrhage, calcification, metal?). "
        f"There is no χ there, and it does not count for the reference.{ceiling}"
    ]


def broken_map(facts: Mapping[str, float], white_matter_ppm: float, in_brain: bool) -> list[str]:
    """Why a map must not be used: sentences, none for a map as it should be.

    Parameters
    ----------
    facts : of :func:`quality`
    white_matter_ppm : mean of white matter less the mean of the map
    in_brain : whether the limits of a brain apply, or those that hold for phantoms, too
    """
    measured = dict(facts) | {WHITE: white_matter_ppm}
    judged = [limit for limit in LIMITS if in_brain or not limit.of_brains]
    return [text for limit in judged if (text := limit.sentence(measured.get(limit.fact, np.nan)))]


def quality(
    mask: np.ndarray,
    voxel_size_mm: tuple[float, float, float],
    chi_ppm: np.ndarray,
    stats: pd.DataFrame | None,
    *,
    voids: Voids | None = None,
    residual_ppm: float = np.nan,
    age_years: float | None = None,
    phase_sign: int | None = None,
) -> Quality:
    """Check the maps of one subject.

    Parameters
    ----------
    mask : (X, Y, Z) bool, brain
    voxel_size_mm : (3,)
    chi_ppm : (X, Y, Z), exactly zero where no susceptibility was computed
    stats : the table of `recon.regions.localize.region_statistics`; None where nuclei were not to be located, as in
        phantoms, animals and ex vivo, which then are not held to be an adult's brain
    voids : where there is no signal
    residual_ppm : of :func:`recon.check.residual.field_residual`
    age_years : of the subject, where it is known
    phase_sign : factor of the phase that the intake took, where it is known

    Returns
    -------
    Quality
    """
    computed = mask & (chi_ppm != 0) & np.isfinite(chi_ppm)
    contrast = IronContrast(np.nan, np.nan, np.nan) if stats is None else iron_contrast(stats)
    volume = float(volume_ml(mask, voxel_size_mm))
    facts = {
        "brain mask [ml]": volume,
        SHARE: 100 * int(np.count_nonzero(computed)) / max(int(np.count_nonzero(mask)), 1),
        "mean χ of the iron-rich nuclei [ppm]": contrast.nuclei_ppm,
        "its standard error [ppm]": contrast.error_ppm,
        WHITE: contrast.white_matter_ppm,
        SPREAD: float(chi_ppm[computed].std()) if computed.any() else np.nan,
    }
    facts |= {RESIDUAL: residual_ppm} if np.isfinite(residual_ppm) else {}
    warnings = []
    if voids is not None:
        void_ml = float(volume_ml(voids.where, voxel_size_mm))
        facts |= {"signal voids [ml]": void_ml, "R2* at its ceiling, share of them [%]": voids.ceiling_percent}
        warnings += void_warnings(voids, void_ml, volume)
    if stats is not None:
        warnings = [
            *sign_warnings(contrast, facts[SPREAD], phase_sign),
            *warnings,
            *slab_warnings(stats),
            *size_warnings(volume, age_years),
        ]
    if not np.isfinite(chi_ppm).all():
        warnings.append(f"χ is not finite in {(~np.isfinite(chi_ppm)).sum()} voxels.")
    mean_ppm = float(chi_ppm[computed].mean(dtype=np.float64)) if computed.any() else np.nan
    broken = broken_map(facts, contrast.white_matter_ppm - mean_ppm, stats is not None)
    return Quality(facts, [*broken, *warnings], broken)
