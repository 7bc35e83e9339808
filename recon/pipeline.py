"""The whole reconstruction in memory, stage after stage: echoes and mask → susceptibility."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recon.acquisition import Acquisition
from recon.background.stage import STAGE as LOCAL_FIELD
from recon.background.stage import local_field
from recon.combine import WHOLE_BRAIN, combine_echoes, reference_voxels
from recon.field.stage import STAGE as FIELD_MAPPING
from recon.field.stage import field_mapping, field_precision
from recon.inversion.stage import STAGE as DIPOLE_INVERSION
from recon.inversion.stage import dipole_inversion
from recon.mask.trim import reliable_mask
from recon.maths.boxes import bounding_box
from recon.maths.finite import silent_where_bad
from recon.problems import to_type
from recon.regions.fluid import ventricular_fluid
from recon.regions.reference import CSF, checked
from recon.registry import taken
from recon.relaxation.stage import STAGE as R2STAR_MAP
from recon.relaxation.stage import r2star_map
from recon.settings import shipped
from recon.unwrap.echoes import unwrap_straightened
from recon.unwrap.stage import STAGE as UNWRAP_PHASE
from recon.unwrap.straighten import silenced

# stages whose method is a setting, and all sections of the config that the reconstruction reads, in the order of work
STAGES = {stage.section: stage for stage in (R2STAR_MAP, UNWRAP_PHASE, FIELD_MAPPING, LOCAL_FIELD, DIPOLE_INVERSION)}
SECTIONS = (*STAGES, "combine_echoes")


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What comes out: (X, Y, Z) float32 `chi_ppm` [ppm] and `r2star_hz` [1/s], bool `mask` of the susceptibility."""

    chi_ppm: np.ndarray
    r2star_hz: np.ndarray | None
    mask: np.ndarray


def reconstruct(
    phase_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    config: Mapping[str, Any] | None = None,
    *,
    region: np.ndarray | None = None,
    workers: int = 1,
) -> Maps:
    """Straighten → unwrap → field → background removal → dipole inversion → average and reference.

    Fields and susceptibility are maps of each echo until the average (`field_mapping.echoes: separate`, the paper)
    or of all echoes from the field on (`together`).

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays
    mask : (X, Y, Z) bool array
    acquisition : Acquisition
    config : values by section, as config/config.yaml has them (:func:`recon.settings.arm` puts those of the other
        arm in place); the shipped ones where none are given
    region : (X, Y, Z) bool array, where `combine_echoes.reference` is white matter or a nucleus; fluid is found
    workers : threads

    Returns
    -------
    maps : Maps; R2* is None for a single echo

    Raises
    ------
    ValueError
        Where the region of the reference is missing or too small, or a setting does not fit.
    """
    config = shipped() if config is None else config
    reference = config["combine_echoes"]["reference"]
    if reference != CSF:
        reference_voxels(mask, region, reference)  # refused before anything is computed
    elif len(acquisition.te_s) < 2:
        instead = to_type("combine_echoes.reference", WHOLE_BRAIN)
        expected = "two echoes or more, whose R2* shows it"
        raise ValueError(f"combine_echoes.reference: csf: expected {expected}, found one: {instead}")
    magnitude, phase_rad = silent_where_bad(magnitude, phase_rad)
    r2star_hz = None
    if len(acquisition.te_s) > 1:  # noise may have to be read from the air around the head
        r2star_hz = r2star_map(
            magnitude, mask, acquisition.te_s, workers=workers, **STAGES["r2star_map"].chosen(config["r2star_map"])
        )
    chi_ppm, known = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, bool)
    box = _around_brain(mask)
    chi_ppm[box], known[box] = _susceptibility(
        phase_rad[box],
        magnitude[box],
        mask[box],
        acquisition,
        config,
        r2star_hz=None if r2star_hz is None else r2star_hz[box],
        region=None if region is None else region[box],
        workers=workers,
    )
    return Maps(chi_ppm=chi_ppm, r2star_hz=r2star_hz, mask=known)


def _around_brain(mask: np.ndarray) -> tuple[slice, ...]:
    """Box of the mask and one voxel beyond it, so that its surface is seen as such; the rest says nothing of χ."""
    return tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in bounding_box(mask))


def _susceptibility(
    phase_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    config: Mapping[str, Any],
    *,
    r2star_hz: np.ndarray | None,
    region: np.ndarray | None,
    workers: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Referenced susceptibility [ppm] and where it is known; arrays as in :func:`reconstruct`, R2* in [1/s]."""
    reference, te_s, grid = config["combine_echoes"]["reference"], np.asarray(acquisition.te_s), acquisition.grid
    chosen = {section: stage.chosen(config[section]) for section, stage in STAGES.items()}
    trimming = taken(reliable_mask, config["unwrap_phase"])
    reliable = reliable_mask(phase_rad, magnitude, mask, te_s, grid, **trimming)
    unwrapped_rad, singular = unwrap_straightened(
        phase_rad, magnitude, reliable, te_s, grid.voxel_size_mm, config["unwrap_phase"], workers
    )
    weighing = silenced(magnitude, singular)
    field_ppm = field_mapping(unwrapped_rad, weighing, reliable, acquisition, **chosen["field_mapping"])
    del phase_rad, unwrapped_rad
    local_ppm, eroded = local_field(
        field_ppm, reliable, grid, magnitude=magnitude, workers=workers, **chosen["local_field"]
    )
    del field_ppm
    weighed = "precision" in DIPOLE_INVERSION.needs(config["dipole_inversion"])
    chi_ppm = dipole_inversion(
        local_ppm,
        eroded,
        grid,
        r2star_hz=r2star_hz,
        precision=field_precision(weighing, reliable, te_s) if weighed else None,
        magnitude=magnitude,
        workers=workers,
        **chosen["dipole_inversion"],
    )
    if reference == CSF and r2star_hz is not None:
        last_echo = magnitude[..., int(np.argmax(te_s))]
        region = ventricular_fluid(r2star_hz, last_echo, mask, eroded, grid.voxel_size_mm, acquisition.b0_tesla)
        region = checked(region, eroded, reference, grid.voxel_size_mm)
    return combine_echoes(chi_ppm, magnitude, eroded, te_s, region, **config["combine_echoes"]), eroded
