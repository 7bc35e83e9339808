"""What is ready for nodes without network, and what is missing."""

import hashlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.pins import ROOT
from workflow.lib.setup import prepare

LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_the_weights_are_looked_for_where_torch_looks(torch_home):
    import torch

    assert prepare.weights_path().parent.as_posix() == f"{torch.hub.get_dir()}/checkpoints"


def test_the_weights_are_those_of_torchvision():
    models = Path(find_spec("torchvision").submodule_search_locations[0]) / "models"  # importing it would take seconds
    assert f'url="{prepare.WEIGHTS_URL}"' in (models / "resnet.py").read_text()
    assert prepare.WEIGHTS_SHA256.startswith(prepare.weights_path().stem.rsplit("-", 1)[-1])


def test_weights_count_as_missing_only_where_they_are_wanted(torch_home):
    assert prepare.weights(wanted=False).state == "not needed"
    assert prepare.weights(wanted=True).state == "missing"


def test_another_file_in_place_of_the_weights_is_told(torch_home):
    prepare.weights_path().parent.mkdir(parents=True)
    prepare.weights_path().write_bytes(b"something else")
    found = prepare.weights(wanted=False)
    assert found.state == "missing"
    assert str(prepare.weights_path()) in found.detail


@pytest.mark.parametrize(("content", "kept"), [(b"weights", True), (b"an error page", False)])
def test_only_a_download_with_the_right_checksum_is_kept(torch_home, monkeypatch, content, kept):
    source = torch_home / "source"
    source.write_bytes(content)
    monkeypatch.setattr(prepare, "WEIGHTS_URL", source.as_uri())
    monkeypatch.setattr(prepare, "WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    path = prepare.weights_path()
    if kept:
        prepare.download(path)
        assert prepare.weights(wanted=True).state == "ready"
    else:
        with pytest.raises(ValueError, match="expected the SHA-256"):
            prepare.download(path)
        assert list(path.parent.iterdir()) == []


def test_the_last_config_file_says_whether_weights_are_wanted():
    shipped, paper = ROOT / "config/config.yaml", ROOT / "config/paper.yaml"
    assert not prepare.wants_imagenet([shipped])
    assert prepare.wants_imagenet([shipped, paper])
    assert not prepare.wants_imagenet([paper, ROOT / "config/best.yaml"])


def test_packages_are_compared_with_the_lock():
    assert prepare.packages(LOCK).state == "ready"
    other = prepare.packages(LOCK.replace("\nnumpy==", "\nnumpy==99."))
    assert other.state == "missing"
    assert "numpy" in other.detail
    assert prepare.packages(LOCK + "no-such-package==1.0 \\\n").state == "missing"
    assert prepare.packages(LOCK + "no-such-package==1.0 ; sys_platform == 'win32' \\\n").state == "ready"


def test_the_command_prints_a_table_and_fails_where_something_is_missing(torch_home):
    command = [sys.executable, "-m", "workflow", "prepare", "--configfile", "config/paper.yaml", "--download"]
    run = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    question, table = run.stdout.split("[y/N]")
    assert str(prepare.weights_path()) in question
    assert [re.split("  +", line.strip())[1] for line in table.splitlines()] == ["ready", "ready", "ready", "missing"]
    assert not prepare.weights_path().exists()  # nobody agreed
