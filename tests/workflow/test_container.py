"""The Apptainer definition: what can be told without Apptainer, which is not there."""

import hashlib
import re
import subprocess
import sys
import tomllib

import pytest

from tests.pins import ROOT
from workflow.lib.setup.container import definition

SECTIONS = ("help", "labels", "files", "post", "environment", "runscript", "test")
LOCK = (ROOT / "requirements.lock").read_bytes()


def sections(text: str) -> dict[str, str]:
    """Text by section of a definition; the header under an empty name. No section stands twice."""
    names = re.findall(r"^%(.*)$", text, re.M)
    assert len(names) == len(set(names))
    return dict(zip(["", *names], re.split(r"^%.*\n", text, flags=re.M), strict=True))


def pairs(section: str, separator: str) -> dict[str, str]:
    return {key: value for key, value in (line.strip().split(separator, 1) for line in section.strip().splitlines())}


@pytest.fixture(scope="module")
def parts() -> dict[str, str]:
    command = [sys.executable, "-m", "workflow", "container"]
    return sections(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_it_has_a_header_and_every_section_once(parts):
    assert tuple(parts) == ("", *SECTIONS)
    header = pairs(parts[""], ": ")
    assert header.keys() == {"Bootstrap", "From"}
    assert header["Bootstrap"] == "docker"
    assert re.fullmatch(r"python@sha256:[0-9a-f]{64}", header["From"])


def test_its_labels_name_version_base_and_lock(parts):
    labels = pairs(parts["labels"], " ")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert re.search(r"python:3\.\d+\.\d+-slim-bookworm$", labels["org.opencontainers.image.base.name"])
    assert labels["q-net.lock.sha256"] == hashlib.sha256(LOCK).hexdigest()


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_its_scripts_are_shell(parts, section):
    subprocess.run(["sh", "-n"], input=parts[section], text=True, check=True)


def test_files_that_it_copies_are_in_the_checkout(parts):
    assert all((ROOT / source).is_file() for source in pairs(parts["files"], " "))


def test_every_package_comes_with_its_hash(parts):
    installs = [line for line in parts["post"].splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line and "--no-deps" in line for line in installs)


def test_what_builds_sources_is_taken_from_the_lock(parts, tmp_path):
    line = next(line for line in parts["post"].splitlines() if "builder.lock" in line)
    (tmp_path / "requirements.lock").write_bytes(LOCK)
    subprocess.run(["sh", "-euc", line], cwd=tmp_path, check=True)
    builder = (tmp_path / "builder.lock").read_text()
    assert re.fullmatch(r"setuptools==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+ +# via .*\n", builder)


def test_a_definition_made_from_another_lock_builds_nothing(tmp_path):
    (tmp_path / "requirements.lock").write_bytes(LOCK)
    post = sections(definition(b"an older lock", "requirements.lock"))["post"].replace("/opt/q-net", str(tmp_path))
    run = subprocess.run(["sh", "-e"], input=post, text=True, capture_output=True, check=False)
    assert run.returncode
    assert "requirements.lock: FAILED" in run.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.lock"]
