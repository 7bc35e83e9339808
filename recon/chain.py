"""The paper's chain in memory: echoes and mask → susceptibility, each echo on its own until the average."""

from dataclasses import dataclass

import numpy as np

from recon.acquisition import Acquisition
from recon.background import LocalField, local_field
from recon.combine import CombineEchoes, combine_echoes
from recon.inversion import DipoleInversion, dipole_inversion
from recon.relaxometry import R2starMap, r2star_map
from recon.unwrap import UnwrapPhase, reliable_mask, unwrap_phase


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Parameters of the stages from phase to susceptibility."""

    unwrap_phase: UnwrapPhase
    local_field: LocalField
    r2star_map: R2starMap
    dipole_inversion: DipoleInversion
    combine_echoes: CombineEchoes


def reconstruct(
    phase_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    params: Chain,
    workers: int = 1,
) -> np.ndarray:
    """Unwrap → SHARP → TKD per echo, then the SNR-weighted average.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays
    mask : (X, Y, Z) bool array
    acquisition : Acquisition
    params : Chain
    workers : threads of the transforms

    Returns
    -------
    chi_ppm : (X, Y, Z) float32 [ppm], zero outside the mask that SHARP leaves
    """
    te_s = np.asarray(acquisition.te_s)
    reliable = reliable_mask(phase_rad, magnitude, mask, params.unwrap_phase)
    unwrapped_rad = unwrap_phase(phase_rad, reliable, te_s, params.unwrap_phase)
    field_ppm = unwrapped_rad * acquisition.ppm_per_rad().astype(np.float32)
    local_ppm, eroded = local_field(field_ppm, reliable, acquisition.voxel_size_mm, params.local_field, workers)
    r2star_hz = r2star_map(magnitude, mask, te_s, params.r2star_map) if len(te_s) > 1 else None
    chi_ppm = dipole_inversion(
        local_ppm,
        eroded,
        acquisition.voxel_size_mm,
        acquisition.b0_dir,
        params.dipole_inversion,
        r2star_hz,
        workers,
    )
    return combine_echoes(chi_ppm, magnitude, eroded, te_s, params.combine_echoes)
