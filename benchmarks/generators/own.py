"""The project's own simulator, for comparison: subject of a cohort, no sub-voxels but analytic edges and dephasing."""

import numpy as np

from benchmarks.generators.scene import Scan
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject_by_label
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import PHASE_OFFSET_RAD, acquire
from recon.settings import shipped

SUBJECT, SIGNAL = "05", 3  # of the cohort; stream of its random numbers
COHORT = shipped()["simulate"]
SCAN = Scan(
    te_s=tuple(COHORT["te_s"]), b0_tesla=COHORT["b0_tesla"], voxel_size_mm=(1.0, 1.0, 1.0), finer=(1, 1, 1),
    snr=COHORT["snr"], receive_rad=PHASE_OFFSET_RAD, shading=0.0, dipole="own",
)  # fmt: skip


def simulate(scan: Scan, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and facts of a head; all but the voxels is that of the cohort, its random numbers too."""
    cohort = Simulate(**COHORT | {"voxel_size_mm": scan.voxel_size_mm})
    person = subject_by_label(cohort, SUBJECT)
    body = anatomy(person, scan.voxel_size_mm, cohort.b0_tilt_deg)
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
    return arrays, {"b0_dir": [float(x) for x in geometry[1]], "tags": ["veins"], "drawn": {"subject": SUBJECT}}
