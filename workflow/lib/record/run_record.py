"""`run.json`: what the results of a run were made from, so that others can make the same.

No times, hosts, users or folders outside the project: the same state gives the same bytes.
"""

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from workflow.lib.home import HOME
from workflow.lib.record.versions import versions
from workflow.lib.setup.paths import bids_uri
from workflow.lib.study.names import folder_in

CODE = ("recon", "qnet", "workflow", "resources", "pyproject.toml", "requirements.lock")
CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16 = ("avx512_bf16", "amx_bf16")  # qnet/networks/precision.py
INSTRUCTIONS = ("asimd", "avx2", "fma", "avx512f", *BFLOAT16)  # with which libraries choose how they round


def code_state(root: Path = HOME) -> dict[str, str | bool | None]:
    """The git revision of the code and whether it has been edited since; None where there is no git to ask."""
    revision = _git(root, "rev-parse", "HEAD")
    edits = _git(root, "status", "--porcelain", "--", *CODE) if revision else None
    return {"revision": revision, "edited": None if edits is None else bool(edits)}


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints about the project; None without git, or where the folder is not a repository of its own."""
    if not (root / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", *arguments]
    try:
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()


def processor(about: str | None = None) -> dict[str, str | list[str]]:
    """Kind of processor, and what `precision: auto` means on it; results may differ in the last digits between kinds.

    Parameters
    ----------
    about : the text of `/proc/cpuinfo`; read where it is not given
    """
    if about is None:
        about = CPU_INFO.read_text() if CPU_INFO.is_file() else ""
    facts = dict(re.findall(r"^(\w[\w ]*\w)\s*:[ \t]*(.*)$", about, re.M))
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return {
        "machine": platform.machine(),
        "model": facts.get("model name", "unknown"),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "precision_auto": "bfloat16" if flags & set(BFLOAT16) else "float32",
    }


def without_folders(value: object) -> object:
    """A copy of a configuration in which every absolute path is only its last part."""
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and value.startswith(("/", "~")):
        return Path(value).name
    return value


def state(config: Mapping, overlays: Iterable[str], targets: Iterable[str], scans: int) -> dict:
    """All that the record holds beside the checksums; any change of it rewrites the record.

    Parameters
    ----------
    config : as merged from the files and the command line, keys sorted
    overlays : configuration files beside the shipped one
    targets : what Snakemake was asked for
    scans : number of scans in the run
    """
    return {
        "versions": versions(),
        "code": code_state(),
        "cpu": processor(),
        "targets": without_folders(sorted(targets)),
        "scans": scans,
        "overlays": [Path(overlay).name for overlay in overlays],
        "config": without_folders(config),
    }


def named_inputs(sums: Mapping[str, str], datasets: Mapping[str, str], folders: Iterable[str]) -> dict[str, str]:
    """The same checksums under names that hold on every computer, sorted.

    Parameters
    ----------
    sums : path → SHA-256 of files that no job made, see `checksums.raw_inputs`
    datasets : folder by name of the user's own datasets and of the raw one, `raw`; of nested ones the inner comes first
    folders : of the scans in the run (`sub-01/ses-02`); what other scans left behind is not part of it

    Returns
    -------
    dict
        `bids:NAME:…` as in the maps' sidecars; the path from the project's folder, or the name alone.
    """
    known = set(folders)
    kept = {path: found for path, found in sums.items() if (scan := folder_in(path)) is None or scan in known}
    return dict(sorted((bids_uri(path, datasets) or _outside(Path(path)), found) for path, found in kept.items()))


def _outside(path: Path) -> str:
    return path.name if path.is_absolute() else path.as_posix()
