"""Every image that the rules write is placed alike by every reader, and opened by ITK (perpendicular axes only)."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from recon.acquisition import Acquisition
from recon.files.io import (
    Volume,
    packed_image,
    read_json,
    read_volume,
    write_json,
    write_mask,
    write_stored,
    write_volume,
)
from recon.maths.affine import corner_gap
from recon.settings import defaults
from tests.recon.intake.echo_files import SHAPE, TE_S, echoes, write
from workflow.scripts import (
    brain_mask,
    combine_echoes,
    dipole_inversion,
    field_mapping,
    local_field,
    locate_nuclei,
    prepare_echoes,
    r2star_map,
    swi_map,
    t1w_map,
    unwrap_phase,
)  # fmt: skip

EDGES_MM = np.array([6.0, 6.0, 7.0])  # a head of 17 cm on few voxels


def placed(axes: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = axes * EDGES_MM
    affine[:3, 3] = -affine[:3, :3] @ (np.array(SHAPE) - 1) / 2
    return affine


TURN = Rotation.from_rotvec([0.3, 0.1, -0.05]).as_matrix() * [-1, 1, 1]
SHEAR = np.array([[1, 0.009, 0], [0, 1, 0.004], [0, 0, 1]])  # half a degree, as the intake accepts it
AFFINE = np.round(placed(TURN @ SHEAR), 2)  # and rounded
CODES = (2, 1)


def raw_images(folder: Path) -> list[str]:
    """Magnitude and phase of each echo."""
    files = []
    for echo, (te_s, signal) in enumerate(zip(TE_S, echoes(), strict=True), 1):
        for part, data in (("mag", np.abs(signal)), ("phase", np.angle(signal))):
            stem = folder / "sub-01/anat" / f"sub-01_echo-{echo}_part-{part}_MEGRE"
            stem.parent.mkdir(parents=True, exist_ok=True)
            path = write(Path(f"{stem}.nii.gz"), data)
            image = nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32), AFFINE)
            image.set_sform(AFFINE, CODES[1])
            image.set_qform(AFFINE, CODES[0])
            nib.save(image, path)
            facts = {"EchoTime": te_s, "MagneticFieldStrength": 3, "Units": "rad", "Manufacturer": "Siemens"}
            write_json(Path(f"{stem}.json"), facts)
            files.append(path)
    return files


def run_rules(images: list[str], out: Path) -> list[Path]:
    """The scripts of the rules from echoes to nuclei, in order; the images that they wrote."""
    at = {name: str(out / f"sub-01/anat/sub-01_{name}.nii.gz") for name in (
        "magnitude", "phase", "mask", "unwrapped", "reliable", "singular", "field", "precision", "local", "eroded",
        "chi_echoes", "r2star", "misfit", "T2starmap", "S0map", "swi", "minIP", "Chimap", "t1w", "dseg", "box",
    )}  # fmt: skip
    facts = str(out / "acquisition.json")
    sidecars = [image.replace(".nii.gz", ".json") for image in images]
    signal = {"magnitude": at["magnitude"], "acquisition": facts}
    prepare_echoes.main(images, sidecars, at["magnitude"], at["phase"], facts, defaults("prepare_echoes"))
    brain_mask.main(**signal, mask=at["mask"], cfg=defaults("brain_mask") | {"tool": "builtin", "erode_mm": 0.0})
    unwrap_phase.main(
        **signal, phase=at["phase"], mask=at["mask"], unwrapped=at["unwrapped"], reliable=at["reliable"],
        singular=at["singular"], threads=1, cfg=defaults("unwrap_phase"),
    )  # fmt: skip
    field_mapping.main(
        **signal, unwrapped=at["unwrapped"], reliable=at["reliable"], singular=at["singular"], field=at["field"],
        precision=at["precision"], cfg=defaults("field_mapping"),
    )  # fmt: skip
    local_field.main(
        at["field"], at["reliable"], facts, at["local"], at["eroded"], defaults("local_field"), 1, at["magnitude"]
    )
    r2star_map.main(
        **signal, mask=at["mask"], r2star=at["r2star"], misfit=at["misfit"], t2star=at["T2starmap"], s0=at["S0map"],
        cfg=defaults("r2star_map") | {"t2star_and_s0": True}, threads=1,
    )  # fmt: skip
    further = {"swi": at["swi"], "min_ip": at["minIP"], "cfg": defaults("swi_map") | {"filter_mm": 14.0}}
    swi_map.main(**signal, phase=at["phase"], mask=at["mask"], **further)
    dipole_inversion.main(
        at["local"], at["eroded"], facts, at["chi_echoes"], defaults("dipole_inversion"), 1, r2star=at["r2star"]
    )
    first = {"first_echo": 2, "last_echo": len(TE_S)}
    echo_chi = [str(out / f"sub-01/anat/sub-01_desc-echo{echo}_Chimap.nii.gz") for echo in range(2, len(TE_S) + 1)]
    combine_echoes.main(
        at["chi_echoes"], at["magnitude"], at["eroded"], facts, at["Chimap"], echo_chi,
        defaults("combine_echoes") | first,
    )  # fmt: skip
    t1w_map.main(**signal, mask=at["mask"], t1w=at["t1w"], cfg=defaults("t1w_map"), r2star=at["r2star"])
    locate_nuclei.main(
        at["t1w"], at["mask"], facts, at["Chimap"], at["dseg"], at["box"], str(out / "stats.tsv"), "sub-01",
        defaults("locate_nuclei"), r2star=at["r2star"],
    )  # fmt: skip
    written = sorted(out.rglob("*.nii.gz"))
    assert len(written) == len(at) + len(echo_chi)
    return written


@pytest.mark.filterwarnings("ignore:.*implausible registration")  # it is a ball
def test_every_image_is_opened_and_placed_alike(tmp_path):
    for path in run_rules(raw_images(tmp_path / "raw"), tmp_path / "out"):
        header = nib.load(path).header
        (qform, q), (sform, s) = header.get_qform(coded=True), header.get_sform(coded=True)
        assert (q, s) == CODES, path.name
        np.testing.assert_allclose(qform, sform, atol=1e-5, err_msg=path.name)
        axes = sform[:3, :3] / np.linalg.norm(sform[:3, :3], axis=0)
        assert np.abs(axes.T @ axes - np.eye(3)).max() < 1e-6, path.name
        image = SimpleITK.ReadImage(str(path))
        itk = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)[:3, :3] * image.GetSpacing()[:3]
        np.testing.assert_allclose(itk * [[-1], [-1], [1]], sform[:3, :3], atol=1e-4, err_msg=path.name)  # LPS
        assert corner_gap(SHAPE, AFFINE, read_volume(path).affine) < 0.2, path.name  # of a voxel


def test_no_other_code_writes_images():
    """What ITK opens in the test above is what it opens of every rule: all of them write by `recon.files.io`."""
    writes = re.compile(r"Nifti[12]?(Image|Pair|Header)\b|WriteImage|ImageFileWriter|\.to_filename|(nib|nibabel)\.save")
    home = Path(__file__).parents[2]
    found = [
        str(path.relative_to(home))
        for part in ("recon", "qnet", "workflow")
        for path in sorted((home / part).rglob("*.py"))
        if writes.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["recon/files/io.py"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("further", [(), (3,), (1, 3)], ids=["3-D", "echoes", "displacements"])
def test_itk_opens_images_of_every_kind(tmp_path, dtype, further):
    pixels = np.ones((5, 6, 7, *further), dtype)
    write_stored(tmp_path / "image.nii.gz", pixels, AFFINE, 0.5, 0, None, codes=CODES)
    (tmp_path / "packed.nii.gz").write_bytes(packed_image(pixels, AFFINE, 0.5))
    for name in ("image", "packed"):
        assert SimpleITK.ReadImage(str(tmp_path / f"{name}.nii.gz")).GetSize()[:3] == (5, 6, 7)


def test_the_user_s_t1w_is_placed_by_the_scanner_s_form_and_the_sidecar_says_so(tmp_path):
    grid = np.diag([2.0, 2, 2, 1])
    truth = np.random.default_rng(0).random((20, 22, 18)).astype(np.float32)
    image = nib.Nifti1Image(np.repeat(truth, 2, axis=2), None)  # thinner slices: it is resampled
    image.header.set_qform(np.array([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, -0.5], [0, 0, 0, 1.0]]), 1)
    image.header.set_sform(np.array([[2.1, 0, 0, 30], [0, 2.1, 0, 9], [0, 0, 1.1, 0], [0, 0, 0, 1.0]]), 4)
    nib.save(image, tmp_path / "T1w.nii.gz")
    like = Volume(data=truth[..., None], affine=grid)
    write_volume(tmp_path / "magnitude.nii.gz", like.data, like)
    write_mask(tmp_path / "mask.nii.gz", np.ones(truth.shape, bool), like)
    facts = Acquisition(te_s=(0.01,), b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=(2, 2, 2))
    facts.write(tmp_path / "acquisition.json")
    named = [str(tmp_path / name) for name in ("magnitude.nii.gz", "mask.nii.gz", "acquisition.json", "out.nii.gz")]
    t1w_map.main(*named, cfg=defaults("t1w_map"), user_t1w=str(tmp_path / "T1w.nii.gz"), user="bids:user:T1w")
    np.testing.assert_allclose(read_volume(tmp_path / "out.nii.gz").data, truth, atol=1e-5)
    assert read_json(tmp_path / "out.json")["Resampled"] == "linear, scanner coordinates by its qform (code 1, scanner)"
