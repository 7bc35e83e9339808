"""Numbers that show whether the maps of a subject need inspection, and the warnings that follow from them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from recon.mask.leak import volume_ml
from recon.regions.localize import WHITE_MATTER

BRAIN_ML = (900.0, 2000.0)  # plausible volume of an adult brain mask
IRON_RICH = ("caudate", "putamen", "pallidum", "red_nucleus", "substantia_nigra")  # at every adult age
SURE = 2.0  # standard errors by which a contrast must differ from zero


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


def sign_warnings(contrast: IronContrast) -> list[str]:
    """What to say where the nuclei are not surely more positive than white matter.

    Iron is paramagnetic and myelin diamagnetic: in a map with the right sign deep grey matter lies above white
    matter at every field strength and adult age, whatever the reference.
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
    if difference_ppm < -SURE * contrast.error_ppm:
        advice = "If the pictures show the nuclei in the right place, set prepare_echoes.phase_sign to the other sign."
        return [f"Phase sign: {found} {advice}"]
    return [f"Phase sign not confirmed: {found} Check the nuclei and the noise of the map."]


def quality(
    mask: np.ndarray, voxel_size_mm: tuple[float, float, float], chi_ppm: np.ndarray, stats: pd.DataFrame
) -> tuple[dict[str, float], list[str]]:
    """Check the maps of one subject.

    Parameters
    ----------
    mask : (X, Y, Z) bool, brain
    voxel_size_mm : (3,)
    chi_ppm : (X, Y, Z), exactly zero where no susceptibility was computed
    stats : the table of `recon.regions.localize.region_statistics`

    Returns
    -------
    facts : what was measured, its unit in the name
    warnings : sentences, empty if nothing looks wrong
    """
    computed = mask & (chi_ppm != 0) & np.isfinite(chi_ppm)
    contrast = iron_contrast(stats)
    volume = float(volume_ml(mask, voxel_size_mm))
    facts = {
        "brain mask [ml]": volume,
        "share of the mask with χ [%]": 100 * float(computed.sum() / max(mask.sum(), 1)),
        "mean χ of the iron-rich nuclei [ppm]": contrast.nuclei_ppm,
        "its standard error [ppm]": contrast.error_ppm,
        "mean χ of white matter [ppm]": contrast.white_matter_ppm,
        "SD of χ [ppm]": float(chi_ppm[computed].std()) if computed.any() else np.nan,
    }
    warnings = sign_warnings(contrast)
    if not BRAIN_ML[0] <= volume <= BRAIN_ML[1]:
        warnings.append(
            f"Brain mask: expected {BRAIN_ML[0]:.0f} to {BRAIN_ML[1]:.0f} ml, found {volume:.0f} ml. "
            "Partial coverage, or did brain extraction fail?"
        )
    if not np.isfinite(chi_ppm).all():
        warnings.append(f"χ is not finite in {(~np.isfinite(chi_ppm)).sum()} voxels.")
    return facts, warnings
