"""What a run needs that a computer without internet access cannot fetch, and whether it is there."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import yaml

from recon.files.atomic import atomic
from recon.regions.template import KINDS, template_path
from workflow.lib.home import HOME
from workflow.lib.jobs.checksums import sha256

WEIGHTS_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"  # torchvision's ResNet18 on ImageNet
WEIGHTS_SHA256 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"


class Item(NamedTuple):
    """One thing that a run needs: `state` is ready, missing or not needed; `detail` says where, or what to do."""

    what: str
    state: str
    detail: str


def packages(lock: str) -> Item:
    """Compare the packages of this environment with the text of requirements.lock.

    A package of the lock with a condition (another system, another Python) may be absent.
    """
    installed = {_normal(found.metadata["Name"]): found.version for found in distributions()}
    pins = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)( ;)?", lock, re.M)
    allowed: dict[str, set[str]] = {}
    for name, version, _ in pins:
        allowed.setdefault(name, set()).add(version)
    absent = {name for name, _, condition in pins if not condition and name not in installed}
    other = {name for name, version in installed.items() if name in allowed and version not in allowed[name]}
    if wrong := sorted(absent | other):
        shown = ", ".join(f"{name} {installed.get(name, 'absent')}" for name in wrong[:3])
        return Item("packages", "missing", f"{len(wrong)} not as in requirements.lock, e.g. {shown}: run `make venv`")
    return Item("packages", "ready", f"{len(installed.keys() & allowed.keys())} as in requirements.lock")


def template() -> Item:
    """The MNI152 template, which ships with nilearn."""
    paths = [template_path(kind) for kind in KINDS]
    if absent := [path for path in paths if not path.is_file()]:
        return Item("template", "missing", f"expected {absent[0]}: install nilearn again")
    return Item("template", "ready", str(paths[0].parent))


def fonts() -> Item:
    """The list of fonts that matplotlib keeps, made now rather than by many jobs at once."""
    import matplotlib
    from matplotlib import font_manager

    folder = Path(matplotlib.get_cachedir())
    path = folder / f"fontlist-v{font_manager.FontManager.__version__}.json"
    if path.is_file():
        return Item("list of fonts", "ready", str(path))
    return Item("list of fonts", "missing", f"{folder} cannot be written: set MPLCONFIGDIR to a folder that can")


def conda_environments(folder: Path) -> Item:
    """The environments of all rules, made in the folder of a run where they are not there yet; Snakemake is heard."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(HOME / "workflow/Snakefile"), "--cores", "1"]
    command = [*snakemake, "--use-conda", "--conda-create-envs-only"]
    done = subprocess.run(command, cwd=folder, check=False).returncode == 0
    found = len(list((folder / ".snakemake/conda").glob("*.env_setup_done")))
    if done:
        return Item("conda environments", "ready", f"{found} in {folder / '.snakemake/conda'}")
    return Item("conda environments", "missing", "see Snakemake's message above")


def weights_path() -> Path:
    """Where torch keeps the ImageNet weights that it has downloaded; found without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub/checkpoints" / WEIGHTS_URL.rsplit("/", 1)[-1]


def weights(wanted: bool) -> Item:
    """The ImageNet weights, their SHA-256 checked."""
    path = weights_path()
    if path.is_file() and sha256(path) == WEIGHTS_SHA256:
        return Item("ImageNet weights", "ready", str(path))
    if path.is_file():
        return Item("ImageNet weights", "missing", f"{path} has another SHA-256: replace it by {WEIGHTS_URL}")
    if wanted:
        return Item("ImageNet weights", "missing", f"put {WEIGHTS_URL} at {path}, or use --download")
    return Item(
        "ImageNet weights", "not needed", "unless weights: imagenet is set in an overlay; name it with --configfile"
    )


def wants_imagenet(files: Iterable[Path]) -> bool:
    """Whether config files, the last word counting, ask for the ImageNet weights."""
    settings: dict = {}
    for file in files:
        settings |= (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("train_image_model", {})
    return settings.get("weights") == "imagenet"


def download(path: Path) -> None:
    """Fetch the ImageNet weights.

    Raises
    ------
    OSError
        The network cannot be reached, or the folder cannot be written.
    ValueError
        What came has another SHA-256; nothing is kept.
    """
    with atomic(path) as part:
        with urllib.request.urlopen(WEIGHTS_URL, timeout=60) as source, open(part, "wb") as target:
            shutil.copyfileobj(source, target)
        if (found := sha256(part)) != WEIGHTS_SHA256:
            raise ValueError(f"{WEIGHTS_URL}: expected the SHA-256 {WEIGHTS_SHA256}, found {found}; nothing was kept")


def table(items: list[Item]) -> str:
    """The items as aligned lines."""
    what, state = (max(len(item[column]) for item in items) for column in (0, 1))
    return "\n".join(f"{item.what:{what}}  {item.state:{state}}  {item.detail}" for item in items)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
