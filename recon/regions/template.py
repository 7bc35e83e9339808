"""The MNI152 2009a symmetric template, 1 mm, that ships with nilearn."""

from importlib.util import find_spec
from pathlib import Path

from recon.files.io import Volume, read_volume

KINDS = ("t1", "gm", "wm")


def template_path(kind: str) -> Path:
    """Path of a map of the template, one of KINDS; it does not exist where nilearn is not installed."""
    package = find_spec("nilearn")  # located, not imported: that would take a second
    folders = package.submodule_search_locations if package else None
    folder = Path(folders[0]) if folders else Path("nilearn")
    return folder / f"datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"


def read_template(kind: str = "t1") -> Volume:
    """The map `t1`, brain only, or the probability of `gm` or `wm`, up to 255."""
    return read_volume(template_path(kind))
