"""The boundaries of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p.relative_to(ROOT) for folder in ("recon", "qnet", "workflow") for p in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> list[tuple[str, int]]:
    """(module, level) of every import statement."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level))
    return found


def packages(path: Path) -> set[str]:
    return {module.split(".")[0] for module, _ in imports(path)}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_are_absolute(path):
    assert all(level == 0 for _, level in imports(path))


@pytest.mark.parametrize(
    ("package", "strangers"),
    [("recon", {"qnet", "workflow", "snakemake", "torch"}), ("qnet", {"recon", "workflow", "snakemake"})],
)
def test_packages_keep_apart(package, strangers):
    assert {p: found for p in SOURCES if p.parts[0] == package and (found := packages(p) & strangers)} == {}


def test_only_the_loaders_know_nibabel():
    users = {str(p) for p in SOURCES if "nibabel" in packages(p)}
    assert users == {"recon/files/io.py", "qnet/images/data.py"}


@pytest.mark.parametrize("path", [p for p in SOURCES if "scripts" in p.parts], ids=str)
def test_a_script_is_short_and_serves_one_package(path):
    text = (ROOT / path).read_text()
    assert not {"recon", "qnet"} <= packages(path)
    main = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == "main")
    assert main.end_lineno - main.body[0].lineno < 60


@pytest.mark.parametrize(
    "path", sorted(p for package in ("recon", "qnet") for p in (ROOT / package).rglob("__init__.py")), ids=str
)
def test_package_files_only_export(path):
    """A docstring, imports and `__all__`, which lists what they import; or nothing."""
    body = ast.parse((ROOT / path).read_text()).body
    documented = [n for n in body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    imports = [n for n in documented if isinstance(n, ast.ImportFrom)]
    others = [n for n in documented if n not in imports]
    assert [ast.unparse(n.targets[0]) for n in others if isinstance(n, ast.Assign)] == ["__all__"] * len(others)
    listed = [name for n in others for name in ast.literal_eval(n.value)]
    assert sorted(listed) == sorted(alias.name for n in imports for alias in n.names)


def test_recon_lists_its_stages():
    assert len(list((ROOT / "recon").glob("*.py"))) <= 12


def test_snakefile_is_short():
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 60
