"""How near every stage comes to the truth: alone on true input, and in a chain, on the output of the one before."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.heads import Head, local_truth
from recon.background import STAGE as LOCAL_FIELD
from recon.background import local_field
from recon.check.metrics import nrmse_percent, regional_means, slope, xsim
from recon.combine import combine_echoes
from recon.field import STAGE as FIELD_MAPPING
from recon.field import field_mapping, field_precision
from recon.inversion import STAGE as DIPOLE_INVERSION
from recon.inversion import dipole_inversion
from recon.mask import BrainExtraction, reliable_mask
from recon.pipeline import Maps
from recon.regions.nuclei import nucleus_labels
from recon.registry import taken
from recon.relaxation import STAGE as R2STAR_MAP
from recon.relaxation import r2star_map
from recon.unwrap import STAGE as UNWRAP_PHASE
from recon.unwrap import unwrap_phase

Scores = dict[str, float]


def percent(part: np.ndarray, whole: np.ndarray) -> float:
    """Share of the voxels in `whole` that `part` holds [%]."""
    return float(100 * np.count_nonzero(part & whole) / np.count_nonzero(whole))


def referenced(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Zero mean inside the mask, zero outside."""
    return np.where(mask, values - values[mask].mean(dtype=np.float64), 0)


def whole_nrmse_percent(values: np.ndarray, truth: np.ndarray, kept: np.ndarray, whole: np.ndarray) -> float:
    """Error within `whole`, where what was not kept counts as zero: a method gains nothing by giving voxels up."""
    return nrmse_percent(referenced(values, kept), referenced(truth, whole), whole)


def mask_scores(mask: np.ndarray, brain: np.ndarray) -> Scores:
    """Overlap with the true brain, and volume over its volume."""
    both, found, true = (float(np.count_nonzero(m)) for m in (mask & brain, mask, brain))
    return {"dice": 2 * both / (found + true), "volume_ratio": found / true, "kept_percent": percent(mask, brain)}


def extraction_scores(head: Head, result: BrainExtraction) -> Scores:
    return mask_scores(result.mask, head["brain"]) | {"threshold_used": result.threshold}


def unwrap_scores(unwrapped_rad: np.ndarray, true_rad: np.ndarray, mask: np.ndarray) -> Scores:
    """Share of voxels that are whole turns off, up to one number of turns for each whole echo [%]."""
    turns = np.round((unwrapped_rad - true_rad)[mask] / np.float32(2 * np.pi))
    wrong = [float(100 * np.mean(echo != np.median(echo))) for echo in turns.T]
    return {"wrong_last_echo_percent": wrong[-1], "wrong_percent": float(np.mean(wrong))}


def unwrapping_scores(head: Head, unwrapped_rad: np.ndarray) -> Scores:
    true_rad = head["unwrapped_rad"][..., -unwrapped_rad.shape[-1] :]
    return unwrap_scores(unwrapped_rad, true_rad, head["brain"])


def field_scores(head: Head, field_ppm: np.ndarray, mask: np.ndarray) -> Scores:
    """Error of the total field, of the echoes' average where there are several: spread, and its robust estimate."""
    error_ppm = referenced(field_ppm - head["total_ppm"], mask)[mask]
    deviation = np.median(np.abs(error_ppm - np.median(error_ppm))) / 0.6745
    return {"rms_error_ppm": float(np.sqrt(np.mean(error_ppm**2))), "robust_error_ppm": float(deviation)}


def local_scores(truth_ppm: np.ndarray, given: np.ndarray, local_ppm: np.ndarray, kept: np.ndarray) -> Scores:
    """Local field within what the method kept of the mask that it was given, and within all of that mask."""
    estimate, truth = referenced(local_ppm, kept), referenced(truth_ppm, kept)
    return {
        "nrmse_percent": nrmse_percent(estimate, truth, kept),
        "whole_nrmse_percent": whole_nrmse_percent(local_ppm, truth_ppm, kept, given),
        "xsim": xsim(estimate, truth, kept),
        "kept_percent": percent(kept, given),
    }


def chi_scores(head: Head, chi_ppm: np.ndarray, mask: np.ndarray) -> Scores:
    """Susceptibility within `mask`, both with zero mean there; slope over the means of the deep grey nuclei."""
    estimate, truth = referenced(chi_ppm, mask), referenced(head["chi_ppm"], mask)
    names = {label: " ".join(name) for label, name in nucleus_labels().items()}
    nuclei = regional_means(estimate, truth, head["nuclei"], mask, names)
    return {
        "nrmse_percent": nrmse_percent(estimate, truth, mask),
        "xsim": xsim(estimate, truth, mask),
        "deep_grey_slope": slope(nuclei["estimate"].to_numpy(), nuclei["truth"].to_numpy()),
    }


def r2star_scores(head: Head, r2star_hz: np.ndarray, mask: np.ndarray) -> Scores:
    """R2* in the deep grey nuclei."""
    nuclei = mask & (head["nuclei"] > 0)
    error_hz, truth_hz = (r2star_hz - head["r2star_hz"])[nuclei], head["r2star_hz"][nuclei]
    return {
        "rmse_hz": float(np.sqrt(np.mean(error_hz**2))),
        "bias_percent": float(100 * error_hz.mean() / truth_hz.mean()),
    }


def map_scores(head: Head, maps: Maps) -> Scores:
    """What a chain delivers, within its own final mask, and within the whole brain."""
    brain = head["brain"]
    return chi_scores(head, maps.chi_ppm, maps.mask) | {
        "whole_nrmse_percent": whole_nrmse_percent(maps.chi_ppm, head["chi_ppm"], maps.mask & brain, brain),
        "kept_percent": percent(maps.mask, brain),
        "outside_brain_percent": percent(~brain, maps.mask),
    }


def averaged(head: Head, arm: dict, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One map of the echoes', by the weights with which the arm averages susceptibility."""
    return combine_echoes(values, head["magnitude"], mask, np.array(head.acquisition.te_s), **arm["combine_echoes"])


def isolated(head: Head, stage: str, arms: dict[str, dict]) -> Callable[[Any], Scores]:
    """The scores of a stage's result, the input having been true."""
    given = head["given"]
    return {
        "brain_mask": partial(extraction_scores, head),
        "unwrap_phase": partial(unwrapping_scores, head),
        "field_mapping": lambda field: field_scores(head, averaged(head, arms["paper"], field, given), given),
        "local_field": lambda result: local_scores(head["local_ppm"], given, *result),
        "dipole_inversion": lambda chi: chi_scores(head, chi, given),
        "r2star_map": lambda r2star: r2star_scores(head, r2star, given),
        "chain": partial(map_scores, head),
    }[stage]


def composed(head: Head, name: str, arm: dict, workers: int) -> Iterator[tuple[str, str, Scores]]:
    """Stage, method and scores along one arm, every stage given what the one before made."""
    facts = head.acquisition
    phase, magnitude, extracted = head["phase"], head["magnitude"], head[f"mask_{name}"]
    te_s, grid, with_workers = np.array(facts.te_s), facts.grid, {"workers": workers}

    threshold, brain = arm["brain_mask"]["threshold"], head["brain"]
    yield "brain_mask", f"BET {threshold}", mask_scores(extracted, brain)
    trimming = taken(reliable_mask, arm["unwrap_phase"])
    mask = reliable_mask(phase, magnitude, extracted, te_s, grid, **trimming)
    yield "brain_mask", f"BET {threshold}, trimmed", mask_scores(mask, brain)

    chosen = UNWRAP_PHASE.chosen(arm["unwrap_phase"])
    unwrapped = unwrap_phase(phase, mask, te_s, magnitude=magnitude, **with_workers, **chosen)
    yield "unwrap_phase", chosen["method"], unwrap_scores(unwrapped, head["unwrapped_rad"], mask)

    chosen = FIELD_MAPPING.chosen(arm["field_mapping"])
    field = field_mapping(unwrapped, magnitude, mask, facts, **chosen)
    method = f"{chosen['echoes']}, offset {chosen['offset']}"
    yield "field_mapping", method, field_scores(head, averaged(head, arm, field, mask), mask)

    chosen = LOCAL_FIELD.chosen(arm["local_field"])
    local, kept = local_field(field, mask, grid, magnitude=magnitude, **with_workers, **chosen)
    scores = local_scores(local_truth(head, mask), mask, averaged(head, arm, local, kept), kept)
    yield "local_field", chosen["method"], scores

    chosen = R2STAR_MAP.chosen(arm["r2star_map"])
    r2star = r2star_map(magnitude, extracted, te_s, **with_workers, **chosen)
    yield "r2star_map", chosen["method"], r2star_scores(head, r2star, extracted)

    chosen = DIPOLE_INVERSION.chosen(arm["dipole_inversion"])
    inputs = {"r2star_hz": r2star, "precision": field_precision(magnitude, mask, te_s), "magnitude": magnitude}
    chi = averaged(head, arm, dipole_inversion(local, kept, grid, **inputs, **with_workers, **chosen), kept)
    yield "dipole_inversion", chosen["method"], chi_scores(head, chi, kept)
