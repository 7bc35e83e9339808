"""The project's own simulator, for comparison: subject of a cohort, no sub-voxels but analytic edges and dephasing."""

import numpy as np

from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject_by_label
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import acquire
from recon.settings import shipped

SUBJECT, SIGNAL = "05", 3  # of the cohort; stream of its random numbers
VOXEL_SIZE_MM = (1.0, 1.0, 1.0)


def simulate(voxel_size_mm: tuple[float, float, float]) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and facts of a head, as those of the other generators."""
    cohort = Simulate(**shipped()["simulate"] | {"voxel_size_mm": voxel_size_mm})
    person = subject_by_label(cohort, SUBJECT)
    body = anatomy(person, voxel_size_mm, cohort.b0_tilt_deg)
    geometry = body.grid.voxel_size_mm, body.grid.b0_dir
    total_ppm = shim(head_field(body.chi_ppm, body.brain, *geometry), body.brain, body.affine)
    echoes = np.stack(list(acquire(body, total_ppm, cohort, person.rng(SIGNAL))), axis=-1)
    arrays = {
        "magnitude": np.abs(echoes),
        "phase": np.angle(echoes),
        "brain": body.brain,
        "nuclei": body.nuclei,
        "lesions": np.zeros(body.brain.shape, np.uint8),
        "chi_ppm": body.chi_ppm,
        "r2star_hz": body.r2star_hz,
        "total_ppm": total_ppm,
        "local_ppm": np.where(body.brain, forward_field(body.chi_ppm * body.brain, *geometry), 0),
    }
    facts = {
        "te_s": list(cohort.te_s),
        "b0_tesla": cohort.b0_tesla,
        "voxel_size_mm": list(voxel_size_mm),
        "b0_dir": [float(x) for x in geometry[1]],
        "snr": cohort.snr,
        "tags": ["veins"],
        "drawn": {"subject": SUBJECT},
    }
    return arrays, facts
