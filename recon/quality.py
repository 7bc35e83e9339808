"""Numbers that tell whether the maps of a subject deserve a look, and the warnings that follow from them."""

import numpy as np

from recon.mask import volume_ml

BRAIN_ML = (900.0, 2000.0)  # plausible volume of an adult brain mask


def quality(
    mask: np.ndarray, voxel_size_mm: tuple[float, float, float], chi_ppm: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, float], list[str]]:
    """Check the maps of one subject.

    Parameters
    ----------
    mask : (X, Y, Z) bool, brain
    voxel_size_mm : (3,)
    chi_ppm : (X, Y, Z), exactly zero where no susceptibility was computed
    labels : (X, Y, Z) deep grey nuclei, 0 elsewhere

    Returns
    -------
    facts : what was measured, its unit in the name
    warnings : sentences, empty if nothing looks wrong

    Notes
    -----
    Deep grey nuclei hold the most iron of the brain: if their mean χ is below that of the rest, the phase has
    the wrong sign or the labels lie elsewhere.
    """
    computed = mask & (chi_ppm != 0) & np.isfinite(chi_ppm)
    nuclei, rest = computed & (labels > 0), computed & (labels == 0)
    facts = {
        "brain mask [ml]": float(volume_ml(mask, voxel_size_mm)),
        "share of the mask with χ [%]": 100 * float(computed.sum() / max(mask.sum(), 1)),
        "voxels in nuclei": int(nuclei.sum()),
        "mean χ of the nuclei [ppm]": float(chi_ppm[nuclei].mean()) if nuclei.any() else np.nan,
        "mean χ of the rest [ppm]": float(chi_ppm[rest].mean()) if rest.any() else np.nan,
        "SD of χ of the rest [ppm]": float(chi_ppm[rest].std()) if rest.any() else np.nan,
    }
    warnings = []
    volume = facts["brain mask [ml]"]
    if not BRAIN_ML[0] <= volume <= BRAIN_ML[1]:
        warnings.append(
            f"Brain mask: expected {BRAIN_ML[0]:.0f} to {BRAIN_ML[1]:.0f} ml, found {volume:.0f} ml. "
            "Partial coverage, or did brain extraction fail?"
        )
    if not nuclei.any():
        warnings.append("No nucleus lies in the map: look at the registration.")
    elif not facts["mean χ of the nuclei [ppm]"] > facts["mean χ of the rest [ppm]"]:
        warnings.append(
            "Mean χ of the deep grey nuclei is not above that of the rest of the brain: "
            "is the phase sign right, do the labels lie on the nuclei?"
        )
    if not np.isfinite(chi_ppm).all():
        warnings.append(f"χ is not finite in {(~np.isfinite(chi_ppm)).sum()} voxels.")
    return facts, warnings
