"""A simulated head as GE writes it into DICOM, chopped and of opposite sign, comes back as its own complex signal."""

import numpy as np
import pytest

from recon.files.io import Volume
from recon.intake.dicom.convert import convert
from recon.intake.echoes import PrepareEchoes, prepare_echoes
from recon.intake.index import index
from recon.intake.scan import Series
from recon.intake.vendors import GE
from recon.maths.boxes import bounding_box
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject
from recon.phantom.field import head_field
from recon.phantom.signal import acquire
from recon.phantom.vendor import exported
from tests.recon.intake.synthetic_dicom import Protocol, write_ge

CFG = Simulate(
    preset="easy",
    subjects=2,
    seed=1,
    voxel_size_mm=(4.0, 4.0, 6.0),
    te_s=(0.005, 0.012),
    tr_s=0.036,
    flip_angles_deg=(6.0, 24.0),
    b0_tesla=3.0,
    b0_tilt_deg=15.0,
    snr=100.0,
    vendor="ge",
    sites={},
)
GAIN = 16  # of the stored integers
PREPARE = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")


@pytest.fixture(scope="module")
def head() -> Volume:
    """(X, Y, Z, flip angle, echo) complex signal of an oblique head; a paramagnetic source advances the phase."""
    person = subject(CFG, 0)
    whole = anatomy(person, CFG.voxel_size_mm, CFG.b0_tilt_deg)
    field_ppm = head_field(whole.chi_ppm, whole.brain, whole.grid.voxel_size_mm, whole.grid.b0_dir)
    echoes = np.stack(list(acquire(whole, field_ppm, CFG, person.rng(3))), axis=-1)
    box = bounding_box(whole.brain)
    affine = whole.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    data = echoes[box].reshape(*whole.brain[box].shape, len(CFG.flip_angles_deg), len(CFG.te_s))
    return Volume(data=data, affine=affine)


@pytest.fixture(scope="module")
def scans(head, tmp_path_factory):
    """Scans of the dataset that GE's DICOM becomes, one subject for each way to store complex values."""
    root = tmp_path_factory.mktemp("ge")
    for label, parts in (("cartesian", "real imag"), ("polar", "mag phase")):
        for i, flip_deg in enumerate(CFG.flip_angles_deg):
            echoes = np.stack([exported(head.data[..., i, echo], GE) for echo in range(len(CFG.te_s))])
            times = {"te_s": CFG.te_s, "tr_s": CFG.tr_s}
            protocol = Protocol(affine=head.affine, flip_deg=flip_deg, number=5 + i, study=label, **times)
            write_ge(root / "dicom" / label, GAIN * echoes, protocol, parts)
    convert(root / "dicom", root / "bids")
    found, problems = index(root / "bids")
    assert problems == {}
    return found


def taken_in(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, echo) complex signal of a series, and the affine."""
    magnitude, phase_rad, _, grid = prepare_echoes(series, PREPARE)
    return magnitude * np.exp(1j * phase_rad) / GAIN, grid.affine


def at_voxels_of(head: Volume, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The head at the voxels of another grid of the same places."""
    index = np.linalg.inv(head.affine) @ affine
    np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
    voxels = np.einsum("ij,jxyz->ixyz", index[:3, :3], np.indices(shape)) + index[:3, 3, None, None, None]
    return head.data[tuple(np.rint(voxels).astype(int))]


@pytest.mark.parametrize("flip_deg", CFG.flip_angles_deg)
@pytest.mark.parametrize("subject", ["sub-cartesian", "sub-polar"])
def test_the_signal_of_ge_comes_back(head, scans, subject, flip_deg):
    flip = CFG.flip_angles_deg.index(flip_deg)
    series = (scans[subject].low_flip, scans[subject].series)[flip]
    signal, affine = taken_in(series)
    truth = at_voxels_of(head, affine, signal.shape[:3])[..., flip, :]
    sign = np.sign(np.vdot(truth, signal).real)  # which slices are chopped, the even or the odd, is not known
    # rounding of integers; GE's phase has steps of a milliradian
    assert (np.abs(sign * signal - truth) <= 1 / GAIN + 6e-4 * np.abs(truth)).all()
    assert series.facts[0]["FlipAngle"] == flip_deg
