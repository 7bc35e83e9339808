"""What code a stage runs: a fingerprint of its script and of every project module that the script reaches.

Snakemake watches a script's time stamp but not the modules that it imports. As a rule's param, this fingerprint
makes an edit to `recon/background/stage.py` re-run the stages that import it, what depends on them, and nothing else.
Docstrings, comments and formatting do not count.
"""

import ast
import hashlib
from functools import cache

from workflow.lib.home import HOME

PACKAGES = ("recon", "qnet", "workflow")
WATCHERS = ("workflow/lib/jobs/job.py",)  # its log and checksums do not change what a job computes


def code(script: str, *data: str) -> dict[str, str]:
    """{file: hash} of `script`, of its project imports, transitively, and of `data` files that these read.

    Paths are given from the repository's root.
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
    tree = ast.parse((HOME / file).read_text(encoding="utf-8"))
    imports: dict[str, None] = {}
    for node in ast.walk(tree):
        imports |= dict.fromkeys(_imported_files(node))
        _drop_docstring(node)
    return _hash(ast.dump(tree).encode()), tuple(imports)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _imported_files(node: ast.AST) -> list[str]:
    """Project files that one import statement names: absolute imports only, as the architecture test demands."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return []
    return [f for name in names if name.split(".")[0] in PACKAGES and (f := _file_of(name))]


def _file_of(module: str) -> str | None:
    """The file of a project module or package, or None for a name inside a module."""
    path = module.replace(".", "/")
    candidates = (f"{path}.py", f"{path}/__init__.py")
    return next((c for c in candidates if (HOME / c).is_file()), None)


def _drop_docstring(node: ast.AST) -> None:
    documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    if documented and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
