"""The field's own simulator, qsm-forward, in its own environment; fed with the template, straight and oblique.

Susceptibility, R1 and R2* share one texture, as in the head phantom of the second reconstruction challenge.
"""

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.generators.anatomical import Model, furnish
from benchmarks.generators.mni import MIDDLE_MM, label_template
from benchmarks.generators.parts import DataMissing, texture, tissue_of
from benchmarks.generators.physics import majority, nuclei_of
from benchmarks.generators.scene import Scan, Tissue
from benchmarks.measure import ONE_THREAD
from benchmarks.peers import PYTHON
from recon.regions.nuclei import nucleus_labels

STRAIGHT = Scan(
    te_s=(0.004, 0.012, 0.020, 0.028), voxel_size_mm=(1.0, 1.0, 2.0), finer=(1, 1, 2), snr=50, dipole="spectral",
)  # fmt: skip
# the sampled dipole of an oblique field rings at the grid's highest frequency: sub-voxels average that away
OBLIQUE = replace(STRAIGHT, voxel_size_mm=(2.0, 2.0, 2.0), finer=(2, 2, 2), tilt_deg=(22.0, 0.0))
SIGNAL = {
    Tissue.SOFT: 0.8, Tissue.BONE: 0.1, Tissue.FLUID: 1.0, Tissue.GREY: 0.85, Tissue.WHITE: 0.72, Tissue.DEEP: 0.8,
    Tissue.VEIN: 0.8, Tissue.CALCIFICATION: 0.3, Tissue.NUCLEUS: 0.8,
}  # fmt: skip
R1_HZ = {
    Tissue.SOFT: 1.0, Tissue.BONE: 2.5, Tissue.FLUID: 0.25, Tissue.GREY: 0.65, Tissue.WHITE: 1.15, Tissue.DEEP: 0.8,
    Tissue.VEIN: 0.6, Tissue.CALCIFICATION: 0.8,
}  # fmt: skip


def simulate(scan: Scan, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays of one head as `physics.acquire` makes them, and facts of the tissue.

    Raises
    ------
    DataMissing
        Where the environment of the peers is not built.
    """
    if not PYTHON.is_file():
        raise DataMissing("qsm-forward: expected benchmarks/.venv, which `make bench` builds")
    to_mni = np.eye(4)
    to_mni[:3, :3] += np.diag(rng.normal(0.06, 0.02, 3)) + rng.normal(0, 0.02, (3, 3))
    affine, shape = scan.affine(tuple(np.linalg.solve(to_mni, (*MIDDLE_MM, 1)))[:3]), scan.shape()
    labels, brain = label_template(affine, to_mni, shape, ("bigbrain",))
    model = Model(signal=SIGNAL, r2star_per_ppm=130, texture_ppm=0.0, veins=50, vein_mm=1.0, calcifications=1)
    scene = furnish(labels, brain, affine, scan, model, rng)
    shared = np.where(brain, texture(shape, scan.spacing_mm, 2.0, rng), 0)
    r1 = {Tissue.NUCLEUS + label: 0.85 for label in nucleus_labels()} | R1_HZ
    table = np.full(256, 1.0, np.float32)
    table[list(r1)] = list(r1.values())
    given = {
        "chi": scene.chi_ppm + 0.008 * shared,
        "M0": scene.signal,
        "R1": table[tissue_of(scene.labels)] * (1 + 0.05 * shared),
        "R2star": scene.r2star_hz * (1 + 0.06 * shared),
        "mask": brain,
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        scanned = {
            "te_s": scan.te_s, "b0_tesla": scan.b0_tesla, "b0_dir": scan.b0_dir, "spacing_mm": scan.spacing_mm,
            "voxel_size_mm": scan.voxel_size_mm, "peak_snr": scan.snr, "seed": rng.integers(2**31),
        }  # fmt: skip
        np.savez(source, **given, **scanned)
        script = Path(__file__).with_name("forward_peer.py")
        subprocess.run([PYTHON, script, source, target], check=True, env=os.environ | ONE_THREAD)
        with np.load(target) as made:
            arrays = dict(made)
    arrays |= nuclei_of(scene.labels, scan.finer)
    arrays["lesions"] = majority(scene.labels, {Tissue.CALCIFICATION: 1}, scan.finer)
    return arrays, {"tags": list(scene.tags), "drawn": scene.drawn}
