"""A stand-in for conda: NOT conda. It answers the calls that Snakemake makes of it and installs no package.

What is real: Snakemake's own conda code, the environment files, and a solve of them by rattler (pixi's solver, not
conda's) with strict channel priority. What is not: conda, conda-forge (the channels hold what requirements.lock pins,
in name only), and an environment's Python, which runs that of the tests and notes with which variables it ran what.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import yaml

from tests.pins import in_conda

ACTIVATE = 'export CONDA_PREFIX="$1"\nexport PATH="$1/bin:$PATH"\n'
COMMAND = """#!/bin/sh
export PYTHONPATH="{root}${{PYTHONPATH:+:$PYTHONPATH}}"
exec "{python}" -m tests.workflow.conda_stand_in "{home}" "$@"
"""
NOTES = ("CONDA_PREFIX", "NO_ET", "PYTHONNOUSERSITE", "PYTHONPATH", "OMP_NUM_THREADS")
PYTHON = """#!/bin/sh
echo "{{{values}, \\"ran\\": \\"$1\\"}}" >> "{prefix}/ran.jsonl"
exec "{python}" "$@"
"""


def build(home: Path, root: Path) -> Path:
    """Make the stand-in and its channels in a folder; what it returns belongs on PATH."""
    versions = {**in_conda(), "python": {"3.11.7", "3.12.1", "3.13.0"}, "pip": {"25.0"}}
    from_bioconda = {name for name in versions if name.startswith("snakemake")}
    _write_channel(home / "channels/bioconda", {name: versions[name] for name in from_bioconda})
    _write_channel(home / "channels/conda-forge", {n: v for n, v in versions.items() if n not in from_bioconda})
    _write_program(home / "bin/conda", COMMAND.format(root=root, python=sys.executable, home=home))
    (home / "bin/activate").write_text(ACTIVATE)
    return home / "bin"


def answer(home: Path, call: list[str]) -> str:
    """What it prints for a call; ValueError for a call that Snakemake does not make."""
    match call:
        case ["--version"]:
            return "conda 24.7.1"  # the oldest that Snakemake accepts
        case ["info", "--json"]:
            return json.dumps({"conda_prefix": str(home), "platform": "linux-64"})
        case ["config", "--get", "channel_priority", "--json"]:
            return json.dumps({"get": {"channel_priority": "strict"}})
        case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", prefix]:
            return _create(home, Path(file), Path(prefix))
        case ["clean", "-y", "--tarballs"]:
            return ""
    raise ValueError(f"stand-in for conda: expected a call that Snakemake makes, found {call}")


def _create(home: Path, file: Path, prefix: Path) -> str:
    packages = _solve(home / "channels", yaml.safe_load(file.read_text()))
    with (home / "created.txt").open("a") as created:
        print(file, file=created)
    values = ", ".join(f'\\"{name}\\": \\"${name}\\"' for name in NOTES)
    _write_program(prefix / "bin/python", PYTHON.format(values=values, prefix=prefix, python=sys.executable))
    return "\n".join(packages)


def _solve(channels: Path, environment: dict) -> list[str]:
    """Name and version of every package; what pip installs is left out."""
    import rattler

    in_order = [(channels / name).as_uri() for name in environment["channels"] if name != "nodefaults"]
    specs = [spec for spec in environment["dependencies"] if isinstance(spec, str)]
    records = asyncio.run(rattler.solve(in_order, specs, platforms=["linux-64", "noarch"]))
    return [f"{record.name.normalized} {record.version}" for record in records]


def _write_channel(folder: Path, versions: dict[str, set[str]]) -> None:
    packages = {
        f"{name}-{version}-0.conda": {
            "name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "noarch": "generic",
            "subdir": "noarch",
        }
        for name, found in versions.items()
        for version in found
    }  # fmt: skip
    for subdir, content in {"noarch": packages, "linux-64": {}}.items():
        (folder / subdir).mkdir(parents=True)
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": content, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(index))


def _write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _main() -> int:
    try:
        print(answer(Path(sys.argv[1]), sys.argv[2:]), flush=True)
    except Exception as error:  # as a solver's word, without a traceback
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(_main())  # rattler's threads may outlive a solve and then crash an interpreter that ends the usual way
