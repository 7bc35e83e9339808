"""Which software ran: the packages that decide what comes out."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "q-net", "numpy", "scipy", "nibabel", "scikit-image", "simpleitk", "nilearn", "torch", "torchvision",
    "albumentations", "pandas", "matplotlib", "snakemake",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Name → version of Python and of every package of the list that is installed here."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
