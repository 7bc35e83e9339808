"""The whole reconstruction in memory: echoes and mask → susceptibility."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recon.acquisition import Acquisition
from recon.background.stage import LocalField, local_field
from recon.combine import CombineEchoes, combine_echoes
from recon.field.stage import FieldMapping, field_mapping, field_precision
from recon.intake.echoes import silent_where_bad
from recon.inversion.stage import DipoleInversion, dipole_inversion
from recon.mask.trim import reliable_mask
from recon.relaxation.stage import R2starMap, r2star_map
from recon.unwrap.stage import UnwrapPhase, unwrap_phase


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Parameters of the stages from phase to susceptibility."""

    unwrap_phase: UnwrapPhase
    field_mapping: FieldMapping
    local_field: LocalField
    r2star_map: R2starMap
    dipole_inversion: DipoleInversion
    combine_echoes: CombineEchoes

    @classmethod
    def of(cls, config: dict) -> Self:
        """The chain of a configuration with a section a stage."""
        return cls(**{name: field.type(**config[name]) for name, field in cls.__dataclass_fields__.items()})


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
    params: Chain,
    workers: int = 1,
) -> Maps:
    """Unwrap → field → background removal → dipole inversion → average and reference.

    Fields and susceptibility are maps of each echo until the average (`field_mapping.echoes: separate`, the paper)
    or of all echoes from the field on (`together`).

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays
    mask : (X, Y, Z) bool array
    acquisition : Acquisition
    params : Chain
    workers : threads

    Returns
    -------
    maps : Maps; R2* is None for a single echo
    """
    magnitude, phase_rad = silent_where_bad(magnitude, phase_rad)
    te_s, voxel_size_mm = np.asarray(acquisition.te_s), acquisition.voxel_size_mm
    r2star_hz = r2star_map(magnitude, mask, te_s, params.r2star_map, workers) if len(te_s) > 1 else None
    reliable = reliable_mask(phase_rad, magnitude, mask, te_s, voxel_size_mm, params.unwrap_phase)
    unwrapped_rad = unwrap_phase(phase_rad, magnitude, reliable, te_s, params.unwrap_phase, workers)
    field_ppm = field_mapping(unwrapped_rad, magnitude, reliable, acquisition, params.field_mapping)
    del unwrapped_rad
    local_ppm, eroded = local_field(
        field_ppm, reliable, voxel_size_mm, acquisition.b0_dir, params.local_field, magnitude, workers
    )
    del field_ppm
    chi_ppm = dipole_inversion(
        local_ppm,
        eroded,
        voxel_size_mm,
        acquisition.b0_dir,
        params.dipole_inversion,
        r2star_hz,
        field_precision(magnitude, reliable, te_s),
        magnitude,
        workers,
    )
    return Maps(
        chi_ppm=combine_echoes(chi_ppm, magnitude, eroded, te_s, params.combine_echoes),
        r2star_hz=r2star_hz,
        mask=eroded,
    )
