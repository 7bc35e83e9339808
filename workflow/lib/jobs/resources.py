"""Memory that jobs need, from the size of the images and of the cohort: a cluster ends whatever takes more.

Measured as the largest resident size of each rule at 1.5 x 1.5 x 3 and 0.6 x 0.6 x 2 mm with six echoes, in both arms
of the reconstruction (`benchmarks/*.tsv` of the results), and rounded up by a quarter or more.
"""

from functools import cache
from math import ceil, prod

from qnet.networks.names import sees_scans
from recon.files.nifti_header import read_header
from recon.intake.scan import Series

PYTHON_MB = 900  # two Snakemakes around a job, 200 MB each, and an interpreter with SciPy
TORCH_MB = 1800  # the same with PyTorch, a network and its optimiser

# {rule: bytes a voxel, bytes a voxel and echo}; a rule of one scan that is not listed gets UNMEASURED
UNMEASURED = (60, 12)
IMAGES = {
    "simulate_subject": (50, 12),
    "prepare_echoes": (30, 16),
    "brain_mask": (20, 2),
    "unwrap_phase": (30, 20),
    "field_mapping": (30, 10),
    "local_field": (30, 8),
    "r2star_map": (16, 5),
    "dipole_inversion": (60, 6),
    "combine_echoes": (16, 6),
    "t1w_map": (16, 2),
    "swi_map": (60, 4),
    "t1_map": (30, 2),
    "locate_nuclei": (30, 0),
    "template_maps": (40, 0),
    "scan_statistics": (60, 4),
    "slice_stack": (104, 0),
    "region_features": (40, 0),
    "subject_page": (40, 14),
    "map_accuracy": (40, 0),
}
COHORT = {"group_maps": 12}  # {rule: MB a subject}
# {(rule, method): bytes a voxel more than what its other methods need}
OF_METHOD = {("dipole_inversion", method): 55 for method in ("unrolled", "deepqsm", "qsmnet")}
# {rule: how many times it holds all slices, how many slices pass the network at once: a batch, or those of one scan}
NETWORKS = {
    "train_image_model": (6, "batch"),
    "train_inner_model": (6, "batch"),
    "pretrain_encoder": (6, "batch"),
    "embed_slices": (0, "scan"),
    "train_scan_model": (0, "scan"),
    "predict_fold": (0, "scan"),
    "class_activation": (2, "scan"),
    "slice_importance": (0, "scan"),
    "augmentation_samples": (0, "scan"),
    "baselines": (0, "scan"),
    "predict_scan": (0, "scan"),
}
NETWORK_BYTES = {"batch": 2000, "scan": 800}  # a pixel, of a ResNet18 that learns or is asked
CHANNELS = 3
SIMULATED_MM3 = 192 * 228 * 168  # field of view of simulated images


def images_mb(rule: str, voxels: int, echoes: int, method: str = "") -> int:
    """Memory of a rule that works on the images of one scan [MB].

    Parameters
    ----------
    rule : its name
    voxels : of one echo
    echoes : number of echoes
    method : the configured one, where a rule has several
    """
    of_voxel, of_echo = IMAGES.get(rule, UNMEASURED)
    of_voxel += OF_METHOD.get((rule, method), 0)
    return PYTHON_MB + ceil(voxels * (of_voxel + of_echo * echoes) / 1e6)


def network_mb(rule: str, scans: int, slices: int, side: int, batch: int) -> int:
    """Memory of a rule that trains a network or asks it [MB].

    Parameters
    ----------
    rule : a key of NETWORKS
    scans : in the cohort
    slices : of a scan
    side : of a slice [pixels]
    batch : slices a batch in training
    """
    copies, kind = NETWORKS[rule]
    stack = 4 * CHANNELS * side**2 * scans * slices * copies
    passing = NETWORK_BYTES[kind] * side**2 * (batch if kind == "batch" else slices)
    return TORCH_MB + ceil((stack + passing) / 1e6)


def job_mb(
    rule: str,
    series: Series,
    simulated_mm: tuple[float, ...] | None,
    scans: int,
    stack: dict,
    training: dict,
    of_scan: bool,
    method: str = "",
) -> int:
    """Memory of a job [MB].

    Parameters
    ----------
    rule : name of the rule
    series : the scan that it works on
    simulated_mm : voxel size [mm] of images that are still to be simulated; None reads the size of `series`
    scans : in the cohort
    stack, training : config sections `slice_stack` and `train_image_model`
    of_scan : whether it works on one scan; any other rule that is in no table needs little
    method : of the rule's section of the config, where it has several
    """
    if rule in NETWORKS:
        batch = training["batch_size"] * (stack["slices"] if sees_scans(training["network"]) else 1)
        return network_mb(rule, scans, stack["slices"], stack["image_size"], batch)
    if rule in COHORT:
        return PYTHON_MB + COHORT[rule] * scans
    if rule not in IMAGES and not of_scan:
        return PYTHON_MB
    voxels = SIMULATED_MM3 / prod(simulated_mm) if simulated_mm else voxels_of(series.files[0])
    return images_mb(rule, voxels, len(series.te_s), method)


@cache
def voxels_of(image: str) -> int:
    """Voxels of one echo, from the header of a file that may hold several."""
    return prod(read_header(image).shape[:3])
