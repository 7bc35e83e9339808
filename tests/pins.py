"""What the environment files and requirements.lock pin, for tests that compare or solve them."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DRIVER = ROOT / "environment.yml"
ENVIRONMENTS = [DRIVER, *sorted((ROOT / "workflow/envs").glob("*.yaml"))]
CONDA_NAMES = {
    "isal": "python-isal",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
}  # by name in requirements.lock


def locked() -> dict[str, set[str]]:
    """Versions by package in requirements.lock; a package may have one for each range of Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.M):
        versions.setdefault(name, set()).add(version)
    return versions


def in_conda() -> dict[str, set[str]]:
    """The same by the name in conda."""
    return {CONDA_NAMES.get(name, name): versions for name, versions in locked().items()}


def dependencies(path: Path) -> tuple[list[str], list[str]]:
    """Requirements of an environment file: those for conda, and those for pip."""
    listed = yaml.safe_load(path.read_text())["dependencies"]
    return [r for r in listed if isinstance(r, str)], [
        r for group in listed if isinstance(group, dict) for r in group["pip"]
    ]
