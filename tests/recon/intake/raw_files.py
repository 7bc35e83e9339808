"""Small raw datasets on disk, good ones and broken ones."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

from recon.files.io import write_json

AFFINE = np.diag([2.0, 2, 2, 1])
SHAPE = (4, 5, 6)


def write_nifti(path, shape=SHAPE, affine=AFFINE, dtype=np.int16, codes=(1, 1), **fields) -> str:
    """Write a NIfTI-1 image of zeros; `fields` are set in the header as they are."""
    image = nib.Nifti1Image(np.zeros(shape, dtype), affine, dtype=dtype)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    if fields:
        edit_header(path, **fields)
    return str(path)


def edit_header(path, **fields) -> None:
    """Overwrite fields of a NIfTI-1 header on disk; (index, value) sets one element of a field that holds several."""
    packed = str(path).endswith(".gz")
    content = Path(path).read_bytes()
    content = bytearray(gzip.decompress(content) if packed else content)
    header = np.frombuffer(content, nib.nifti1.header_dtype, count=1)
    for name, value in fields.items():
        if isinstance(value, tuple):
            header[name][0, value[0]] = value[1]
        else:
            header[name] = value
    Path(path).write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))


def write_echo(folder, name, sidecar=None, suffix="MEGRE", **image) -> str:
    """Write `<name>_MEGRE.nii.gz` with a sidecar; None removes a fact from it."""
    echo = int(name.split("echo-")[1].split("_")[0]) if "echo-" in name else 1
    facts = {"EchoTime": 0.005 * echo, "MagneticFieldStrength": 3} | (sidecar or {})
    path = write_nifti(Path(folder) / f"{name}_{suffix}.nii.gz", **image)
    write_json(path.replace(".nii.gz", ".json"), {key: value for key, value in facts.items() if value is not None})
    return path


def write_series(folder, stem, echoes=(1, 2), parts=("mag", "phase"), sidecar=None, **image) -> list[str]:
    """Write both parts of some echoes as 3-D files."""
    names = [f"{stem}_echo-{echo}_part-{part}" for echo in echoes for part in parts]
    return [write_echo(folder, name, sidecar, **image) for name in names]


def sidecars(folder) -> list[str]:
    """Every JSON file below a folder."""
    return sorted(map(str, Path(folder).rglob("*.json")))
