"""Where the deep grey nuclei of a brain are: registration to the template, and the labels, by one of three methods.

`template`: ellipsoids under an affine registration. `shapes`: surfaces fitted to public labels, which are bent onto the
susceptibility of the subject after it. Where that does not explain the maps better, the affine registration stands.
Onto a T1-weighted image nothing is bent: it serves the affine registration alone, as it hardly shows the nuclei of the
midbrain, and to bend onto what it does show gained nothing on the head `mni` of `benchmarks.generators` (mean Dice
0.886 with, 0.888 without). `network`: a trained network looks at all maps in the frame of the affine registration.
"""

from dataclasses import dataclass

import numpy as np

from recon.problems import Problem, ProblemError
from recon.regions.deformation import HIGH_MM, LOW_MM, Deformation, bend, displaced
from recon.regions.localize import subject_labels
from recon.regions.nuclei import nucleus_labels
from recon.regions.registration import Registration, register
from recon.regions.segmentation import segment
from recon.regions.shapes import LABELS, divided, label_points

METHODS = ("template", "shapes", "network")


@dataclass(frozen=True, kw_only=True)
class Located:
    """Labels (X, Y, Z) uint8, and how they were found.

    Attributes
    ----------
    labels, registration
    deformation : of the method `shapes`
    expected_dice : of the method `network`: label → the Dice coefficient that its probabilities expect
    agreement : of the same: mean Dice coefficient of its labels with the ellipsoids of the method `template`
    """

    labels: np.ndarray
    registration: Registration
    deformation: Deformation | None = None
    expected_dice: dict[int, float] | None = None
    agreement: float = 0.0

    def summary(self) -> dict:
        """Quality for a sidecar: plain numbers under CamelCase names."""
        if self.expected_dice is not None:
            names = {label: " ".join(LABELS[label]) for label in self.expected_dice}
            return self.registration.summary() | {
                "ExpectedDice": {names[label]: round(dice, 3) for label, dice in self.expected_dice.items()},
                "AgreementWithRegistration": round(self.agreement, 3),
            }
        if self.deformation is None:
            return self.registration.summary()
        bent = self.deformation
        largest_mm = float(np.sqrt((bent.displacement_mm**2).sum(0)).max())
        return self.registration.summary() | {
            "ExplainedByAffine": round(bent.before, 4),
            "ExplainedByDeformation": round(bent.after, 4),
            "DeformationKept": bent.kept,
            "LargestDisplacement": round(largest_mm, 2),
        }


def outlined(chi_ppm: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Susceptibility on a pedestal, 1 to 2 in the brain and 0 outside, so that the outline of the brain counts."""
    known = mask & np.isfinite(chi_ppm)
    if not known.any():
        return np.zeros(mask.shape, np.float32)
    low, high = np.percentile(chi_ppm[known], [1, 99])
    scaled = np.clip((np.nan_to_num(chi_ppm) - low) / max(high - low, 1e-12), 0, 1)
    return np.where(known, 1 + scaled, 0).astype(np.float32)


def locate(
    chi_ppm: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    t1w: np.ndarray | None = None,
    r2star: np.ndarray | None = None,
    method: str = "template",
    registration: Registration | None = None,
) -> Located:
    """Register a brain to the template, and label its nuclei.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) array [ppm]; a voxel that is zero or not finite was not measured
    mask : (X, Y, Z) bool array, brain
    affine : (4, 4), voxel indices → scanner coordinates [mm]
    t1w : (X, Y, Z) array of any unit, which is registered, and which the network reads; without it susceptibility is
        registered
    r2star : (X, Y, Z) array [1/s], which takes part in the deformation, and which the network reads
    method : one of `METHODS`
    registration : of :func:`registered` to these maps, where it was made before

    Returns
    -------
    Located
        Without a label where no brain was found: its `registration` is not plausible.

    Raises
    ------
    ValueError
        An empty mask, or no contrast in it, or the weights of the network are not those of their card.
    """
    fit = registration or registered(chi_ppm, mask, affine, t1w)
    if not fit.plausible:
        return Located(labels=np.zeros(mask.shape, np.uint8), registration=fit)
    if method == "template":
        return Located(labels=subject_labels(mask, affine, fit.subject_to_mni), registration=fit)
    known = mask & np.isfinite(chi_ppm) & (chi_ppm != 0)
    maps = {"chi": chi_ppm} | ({} if r2star is None else {"r2star": r2star})
    if method == "network":
        read = maps | ({} if t1w is None else {"t1w": t1w})
        found = segment(read, known, mask, affine, fit.subject_to_mni)
        agreement = agreement_of(found.labels, subject_labels(mask, affine, fit.subject_to_mni))
        return Located(labels=found.labels, registration=fit, expected_dice=found.expected_dice, agreement=agreement)
    bent = bend(maps, known, affine, fit.subject_to_mni)
    labels = bent_labels(mask, affine, fit.subject_to_mni, bent.displacement_mm)
    return Located(labels=labels, registration=fit, deformation=bent)


def registered(chi_ppm: np.ndarray, mask: np.ndarray, affine: np.ndarray, t1w: np.ndarray | None) -> Registration:
    """The affine registration of a brain, by its T1-weighted image or, without one, by susceptibility."""
    return register(outlined(chi_ppm, mask) if t1w is None else t1w, affine, mask)


def agreement_of(labels: np.ndarray, others: np.ndarray) -> float:
    """Mean Dice coefficient of the nuclei that both label images (X, Y, Z) may hold, those of the ellipsoids."""
    sizes = [np.bincount(image.ravel(), minlength=len(LABELS) + 1) for image in (labels, others)]
    both = np.bincount(labels[labels == others], minlength=len(LABELS) + 1)
    shared = list(nucleus_labels())
    return float(np.mean([2 * both[n] / max(sizes[0][n] + sizes[1][n], 1) for n in shared]))


def bent_labels(
    mask: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray, displacement_mm: np.ndarray
) -> np.ndarray:
    """Labels of the surfaces on the subject's grid, parts apart: a voxel of the mask is looked up at its bent place."""
    to_mni = subject_to_mni @ affine
    index = np.argwhere(mask)
    points = (index @ to_mni[:3, :3].T + to_mni[:3, 3]).astype(np.float32)
    deep = ((points > LOW_MM) & (points < HIGH_MM)).all(1)
    index, points = index[deep], points[deep]
    labels = np.zeros(mask.shape, np.uint8)
    bent = displaced(points, displacement_mm)
    labels[tuple(index.T)] = divided(label_points(bent), bent)
    return labels


def no_brain(file: str, fit: Registration, instead: str) -> ProblemError:
    """The error where the registration found no brain."""
    return ProblemError([Problem(file, "a brain that the template fits", f"{fit.found()}; {instead}")])
