"""What code a stage runs: a fingerprint of its script and of every project module that the script reaches.

Snakemake watches a script's time stamp but not the modules that it imports. As a rule's param, this fingerprint
makes an edit to `recon/background/stage.py` re-run the stages that import it, what depends on them, and nothing else.
Docstrings, comments and formatting do not count. Parsing takes longer than planning the run of a scan, so the folder
of the run remembers what each text of a file gave.
"""

import ast
import atexit
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from recon.files.atomic import atomic
from workflow.lib.home import HOME

PACKAGES = ("recon", "qnet", "workflow")
MEMORY = Path(".snakemake", "q-net-code-{}.{}.json".format(*sys.version_info)).absolute()  # a syntax tree is a Python's
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # of a statement, each a list of further ones
WATCHERS = ("workflow/lib/jobs/job.py",)  # its log and checksums do not change what a job computes


@cache
def code(script: str, *data: str) -> dict[str, str]:
    """{file: hash} of `script`, of its project imports, transitively, and of `data` files that these read.

    Paths are given from the repository's root. All who ask share one dict, which a rule's params and JSON can hold:
    none may write to it.
    """
    found = {file: _hash((HOME / file).read_bytes()) for file in data}
    waiting = [script]
    while waiting:
        file = waiting.pop()
        if file not in found and file not in WATCHERS:
            found[file], imports = fingerprint(file)
            waiting.extend(imports)
    return dict(sorted(found.items()))


def digest(fingerprints: dict[str, str]) -> str:
    """One hash of what `code` gives."""
    return _hash(repr(sorted(fingerprints.items())).encode())


@cache
def fingerprint(file: str) -> tuple[str, tuple[str, ...]]:
    """Hash of a file's syntax tree without docstrings, and the project files that it imports."""
    content = (HOME / file).read_bytes()
    text, known = hashlib.sha256(content).hexdigest(), _remembered()
    if text not in known:
        if not _NEW:
            atexit.register(_remember)
        known[text] = _NEW[text] = _parsed(content)
    found, names = known[text]
    return found, tuple(dict.fromkeys(f for name in names if (f := _file_of(name))))


def _parsed(content: bytes) -> tuple[str, list[str]]:
    """Hash of a syntax tree without docstrings, and the names that may be project modules that it imports."""
    tree = ast.parse(content)
    names: dict[str, None] = {}
    waiting: list[ast.AST] = [tree]
    while waiting:  # statements alone: no expression holds an import or a docstring
        node = waiting.pop()
        names |= dict.fromkeys(_imported_names(node))
        _drop_docstring(node)
        for block in BLOCKS:
            waiting.extend(getattr(node, block, ()))
    return _hash(ast.dump(tree).encode()), list(names)


_NEW: dict[str, tuple[str, list[str]]] = {}  # what this process has parsed, by SHA-256 of the text


@cache
def _remembered() -> dict[str, tuple[str, list[str]]]:
    """What `_parsed` gave before, by SHA-256 of the text; nothing where no folder remembers anything."""
    with suppress(OSError, ValueError):
        known = json.loads(MEMORY.read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _remember() -> None:
    """Write what was parsed to the folder of a run; any other has no such folder."""
    if MEMORY.parent.is_dir():
        with suppress(OSError), atomic(MEMORY) as part:
            part.write_text(json.dumps(_remembered()), encoding="utf-8")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _imported_names(node: ast.AST) -> list[str]:
    """Names of the project that one import statement holds: absolute imports only, as the architecture test demands."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return []
    return [name for name in names if name.split(".")[0] in PACKAGES]


def _file_of(module: str) -> str | None:
    """The file of a project module or package, or None for a name inside a module."""
    path = module.replace(".", "/")
    candidates = (f"{path}.py", f"{path}/__init__.py")
    return next((c for c in candidates if (HOME / c).is_file()), None)


def _drop_docstring(node: ast.AST) -> None:
    documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    if documented and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
