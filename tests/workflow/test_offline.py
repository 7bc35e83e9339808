"""Nothing is fetched at run time: the tiny cohort is computed where there is no network."""

import ast
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.lib.setup.process import ENVIRONMENT

CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)"
ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("recon", "qnet", "workflow") for path in (ROOT / folder).rglob("*.py"))
REACH_OUT = {
    "aiohttp", "boto3", "ftplib", "gdown", "http", "httpx", "huggingface_hub", "imaplib", "paramiko", "pooch",
    "poplib", "requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "timm", "urllib", "urllib3",
    "webbrowser", "wget", "xmlrpc",
}  # fmt: skip
FETCH = ("fetch_", "download", "urlopen", "urlretrieve", "load_state_dict_from_url", "snapshot_download")
AT_REQUEST = {
    "workflow/cli/prepare.py",
    "workflow/lib/setup/prepare.py",
}  # a user's command before a run, see docs/how-to/cluster.md
ROOMS = r"workflow\.(?:cli|lib\.setup)"
PREPARE = re.compile(rf"^from {ROOMS} import .*\bprepare\b|^(?:from|import) {ROOMS}\.prepare\b", re.M)
QUIET = ("NO_ET", "NIPYPE_NO_ET", "NO_ALBUMENTATIONS_UPDATE")  # the Makefile sets them, too


@pytest.fixture
def cut_off(without_network) -> list[str]:
    if not without_network:
        pytest.skip("this machine does not let tests make network namespaces (unshare --net)")
    return without_network


@pytest.fixture
def port():
    """Of a server on this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def connects(port: int, within: list[str]) -> bool:
    command = [*within, sys.executable, "-c", CONNECT, str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_tiny_cohort_needs_no_network(cut_off, tiny):
    assert (tiny / "network").read_text().strip() != os.readlink("/proc/self/ns/net")
    assert (tiny / "results/tiny/report.html").is_file()


def test_where_it_ran_nothing_can_connect(cut_off, port):
    assert connects(port, [])
    assert not connects(port, cut_off)


def modules(tree: ast.AST) -> set[str]:
    """First words of what a file imports."""
    nodes = list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[0] for name in [*names, *(n.module or "" for n in nodes if isinstance(n, ast.ImportFrom))]}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Name, `a.b.c`, and node of every call."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def fetching(tree: ast.AST) -> list[str]:
    """Calls that fetch something: by their name, of torch's hub, or with weights that torchvision would download."""
    found = []
    for name, call in calls(tree):
        last = name.split(".")[-1]
        hub = "hub" in name.split(".") and last != "get_dir"
        model = last.startswith("resnet") and any(
            keyword.arg in ("weights", "pretrained") and ast.unparse(keyword.value) not in ("None", "False")
            for keyword in call.keywords
        )
        if hub or model or last.startswith(FETCH):
            found.append(name)
    return found


def test_no_code_reaches_out():
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}
    found = {name: [*modules(tree) & REACH_OUT, *fetching(tree)] for name, tree in trees.items()}
    assert {name: words for name, words in found.items() if words and name not in AT_REQUEST} == {}


def test_no_job_fetches_what_a_user_can_ask_for():
    rules = [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    users = {str(path.relative_to(ROOT)) for path in [*SOURCES, *rules] if PREPARE.search(path.read_text())}
    assert users <= AT_REQUEST


@pytest.mark.parametrize(
    "code",
    [
        "torch.hub.load('a', 'b')",
        "resnet18(weights='DEFAULT')",
        "datasets.fetch_atlas_aal()",
        "urllib.request.urlopen(u)",
    ],
)
def test_the_search_finds_what_fetches(code):
    assert fetching(ast.parse(code))


def test_packages_that_ask_for_news_are_told_not_to():
    makefile = (ROOT / "Makefile").read_text()
    for variable in QUIET:
        assert ENVIRONMENT[variable] == "1"
        assert f"export {variable} := 1" in makefile
