"""Which software ran: the project itself and the packages that decide what comes out."""

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version

from workflow.lib.home import HOME

PROJECT = HOME / "pyproject.toml"
PACKAGES = (
    "numpy", "scipy", "nibabel", "scikit-image", "simpleitk", "nilearn", "torch", "torchvision",
    "isal", "albumentations", "pandas", "matplotlib", "snakemake",
)  # fmt: skip


def project_version() -> str:
    """The version of this project."""
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]


def versions() -> dict[str, str]:
    """Name → version of the project, of Python and of every package of the list that is installed here."""
    found = {"Q-Net": project_version(), "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
