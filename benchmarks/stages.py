"""Every stage, method by method, and its peers: what each takes from a head and the transforms it cannot avoid."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import fft
from skimage.restoration import unwrap_phase as skimage_unwrap_phase

from benchmarks.heads import ECHO_FOR_MASK, Head
from recon.acquisition import Acquisition
from recon.background import STAGE as LOCAL_FIELD
from recon.background import local_field
from recon.background.spherical import METHODS as SPHERICAL
from recon.field import STAGE as FIELD_MAPPING
from recon.field import field_mapping
from recon.inversion import STAGE as DIPOLE_INVERSION
from recon.inversion import dipole_inversion
from recon.inversion.total_variation import FIRST_ITERATIONS
from recon.mask import BrainExtraction, extract_brain
from recon.maths.boxes import bounding_box
from recon.pipeline import Maps, reconstruct
from recon.relaxation import STAGE as R2STAR_MAP
from recon.relaxation import r2star_map
from recon.unwrap import STAGE as UNWRAP_PHASE
from recon.unwrap import unwrap_phase

BET_THRESHOLDS = (0.2, 0.5)  # the paper's and the usual one
CHAIN_WORKERS = 2  # single stages have one
ALL, LAST = slice(None), slice(-1, None)
ECHOES = {"six echoes": ALL, "last echo": LAST}
FIELDS = (("separate", "none"), ("together", "none"), ("together", "voxel"), ("together", "smooth"))
SOURCES = {"true": "local_ppm", "true + noise": "noisy_ppm"}  # of the dipole inversion


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row of the tables.

    Parameters
    ----------
    stage, method : names
    source : what the input is
    inputs : names of the head's arrays
    call : of the acquisition and those arrays; picklable
    pairs : transforms there and back on the padded box that it cannot avoid
    peer : method of the same stage to compare with, or None
    """

    stage: str
    method: str
    source: str = "true"
    inputs: tuple[str, ...]
    call: Callable[..., Any]
    pairs: float = 0
    peer: str | None = None


def load(head: Head, inputs: tuple[str, ...]) -> tuple:
    """The arguments of a call."""
    return head.acquisition, *(head[name] for name in inputs)


def random_box(grid: tuple[int, int, int]) -> tuple[np.ndarray]:
    """Noise on a grid: the argument of :func:`fft_pair`."""
    return (np.random.default_rng(0).standard_normal(grid, np.float32),)


def fft_pair(volume: np.ndarray) -> np.ndarray:
    """The unit of all ratios: one float32 transform of the whole padded box, and back."""
    return fft.irfftn(fft.rfftn(volume), s=volume.shape)


def stages(arms: dict[str, dict]) -> list[Stage]:
    """All rows, in the order of the chain, but those of peers that live in another environment."""
    return [
        *brain_mask_stages(arms["consensus"]["brain_mask"]),
        *unwrap_stages(arms["consensus"]["unwrap_phase"]),
        *field_stages(arms["consensus"]["field_mapping"]),
        *local_stages(arms["consensus"]["local_field"]),
        *inversion_stages(arms["paper"]["dipole_inversion"]),
        *r2star_stages(arms["paper"]["r2star_map"]),
        *(chain_stage(name, arm) for name, arm in arms.items()),
    ]


def brain_mask_stages(section: dict) -> list[Stage]:
    """BET at the paper's threshold and at the usual one, not eroded."""
    return [
        Stage(
            stage="brain_mask",
            method=f"BET {threshold}",
            inputs=("magnitude",),
            call=partial(extract, section | {"tool": "builtin", "threshold": threshold}),
            peer=f"brainextractor {threshold}",
        )
        for threshold in BET_THRESHOLDS
    ]


def extract(settings: dict, facts: Acquisition, magnitude: np.ndarray) -> BrainExtraction:
    return extract_brain(magnitude[..., ECHO_FOR_MASK], facts.grid, **settings)


def unwrap_stages(section: dict) -> list[Stage]:
    """All methods and scikit-image, six echoes and the last alone, inside the true brain."""
    rows = []
    for label, echoes in ECHOES.items():
        for method in UNWRAP_PHASE.methods:
            run = partial(unwrap, UNWRAP_PHASE.chosen(section | {"method": method}), echoes)
            rows.append((f"{method}, {label}", run, f"scikit-image, {label}"))
        rows.append((f"scikit-image, {label}", partial(unwrap_by_skimage, echoes), None))
    inputs = ("phase", "magnitude", "brain")
    return [Stage(stage="unwrap_phase", method=m, inputs=inputs, call=run, peer=peer) for m, run, peer in rows]


def unwrap(chosen: dict, echoes: slice, facts: Acquisition, phase_rad, magnitude, mask) -> np.ndarray:
    te_s = np.array(facts.te_s)[echoes]
    return unwrap_phase(phase_rad[..., echoes], mask, te_s, magnitude=magnitude[..., echoes], **chosen)


def unwrap_by_skimage(echoes: slice, facts: Acquisition, phase_rad, magnitude, mask) -> np.ndarray:
    """Masked, and cropped to the brain's box, which is the fastest that it can be used."""
    box, wrapped = bounding_box(mask), phase_rad[..., echoes]
    out = np.zeros(wrapped.shape, np.float32)
    for i in range(wrapped.shape[-1]):
        inside = np.ma.array(wrapped[(*box, i)], mask=~mask[box])
        out[(*box, i)] = skimage_unwrap_phase(inside).filled(0)
    return out


def field_stages(section: dict) -> list[Stage]:
    """The paper's echoes on their own, and the fits of one field to all of them."""
    return [
        Stage(
            stage="field_mapping",
            method=f"{echoes}, offset {offset}",
            inputs=("unwrapped_rad", "magnitude", "given"),
            call=partial(map_field, FIELD_MAPPING.chosen(section | {"echoes": echoes, "offset": offset})),
        )
        for echoes, offset in FIELDS
    ]


def map_field(chosen: dict, facts: Acquisition, unwrapped_rad, magnitude, mask) -> np.ndarray:
    return field_mapping(unwrapped_rad, magnitude, mask, facts, **chosen)


def local_stages(section: dict) -> list[Stage]:
    """Background removal of one noise-free total field."""
    return [
        Stage(
            stage="local_field",
            method=method,
            inputs=("total_ppm", "given", "magnitude"),
            call=partial(remove_background, LOCAL_FIELD.chosen(section | {"method": method})),
            pairs=removal_pairs(method, echoes=1),
        )
        for method in LOCAL_FIELD.methods
    ]


def removal_pairs(method: str, echoes: int) -> int:
    """Spheres: the mask's mean, then each field's mean and the division. The other methods can avoid transforms."""
    return 2 * echoes + 1 if method in SPHERICAL else 0


def remove_background(chosen: dict, facts: Acquisition, field_ppm, mask, magnitude) -> tuple[np.ndarray, np.ndarray]:
    return local_field(field_ppm, mask, facts.grid, magnitude=magnitude, **chosen)


def inversion_pairs(section: dict) -> float:
    """TKD 1; its iteration half a pair for what stays, then one each; TV two an iteration of both its maps, at most.

    The trained step adds the map, its field, the residual and both its candidates, a transform each; a network alone
    needs the division and the residual of its map.
    """
    first = FIRST_ITERATIONS if section["tv_prior"] == "tissue" else 0
    tv = 2.0 * (section["tv_iterations"] + first)
    pairs = {"tkd": 1.0, "iterative_tkd": 1.5 + section["iterations"], "tv": tv, "unrolled": tv + 2.5}
    pairs |= {"deepqsm": 2.0, "qsmnet": 2.0}
    return pairs.get(section["method"], 0.0)


def inversion_stages(section: dict) -> list[Stage]:
    """Inversion of one true local field, without and with the noise of a fit to six echoes."""
    methods = {method: {"method": method} for method in DIPOLE_INVERSION.methods} | {
        "tkd swim": {"method": "tkd", "truncation": "swim"},
        "tv, no prior": {"method": "tv", "tv_prior": "none"},
    }
    return [
        Stage(
            stage="dipole_inversion",
            method=method,
            source=source,
            inputs=(field, "given", "r2star_hz", "precision", "magnitude"),
            call=partial(invert, DIPOLE_INVERSION.chosen(section | changes)),
            pairs=inversion_pairs(section | changes),
        )
        for source, field in SOURCES.items()
        for method, changes in methods.items()
    ]


def invert(chosen: dict, facts: Acquisition, field_ppm, mask, r2star_hz, precision, magnitude) -> np.ndarray:
    inputs = {"r2star_hz": r2star_hz, "precision": precision, "magnitude": magnitude}
    return dipole_inversion(field_ppm, mask, facts.grid, **inputs, **chosen)


def r2star_stages(section: dict) -> list[Stage]:
    """All fits of the decay."""
    return [
        Stage(
            stage="r2star_map",
            method=method,
            inputs=("magnitude", "given"),
            call=partial(fit_decay, R2STAR_MAP.chosen(section | {"method": method})),
        )
        for method in R2STAR_MAP.methods
    ]


def fit_decay(chosen: dict, facts: Acquisition, magnitude, mask) -> np.ndarray:
    return r2star_map(magnitude, mask, np.array(facts.te_s), **chosen)


def chain_stage(name: str, arm: dict) -> Stage:
    """One arm from echoes and its own brain mask to χ and R2*.

    The paper's inverts all six echoes and shares SHARP's transform of the mask.
    """
    echoes = 1 if arm["field_mapping"]["echoes"] == "together" else 6
    removal = removal_pairs(arm["local_field"]["method"], echoes)
    return Stage(
        stage="chain",
        method=name,
        source="own mask",
        inputs=("phase", "magnitude", f"mask_{name}"),
        call=partial(run_chain, arm),
        pairs=removal + echoes * inversion_pairs(arm["dipole_inversion"]),
    )


def run_chain(arm: dict, facts: Acquisition, phase_rad, magnitude, mask) -> Maps:
    return reconstruct(phase_rad, magnitude, mask, facts, arm, workers=CHAIN_WORKERS)
