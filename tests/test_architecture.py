"""The boundaries of the house: who may import whom."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p.relative_to(ROOT) for folder in ("recon", "qnet", "workflow") for p in (ROOT / folder).rglob("*.py"))

STAGES = ("mask", "unwrap", "field", "background", "inversion", "relaxation")
MOST_FLAT = 12  # modules of recon that are in no package
SNAKEFILES = [ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


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


def test_only_the_loader_of_the_networks_knows_nibabel():
    users = {str(p) for p in SOURCES if "nibabel" in packages(p)}
    assert users == {"qnet/images/data.py"}


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


def modules_imported(path: Path) -> set[Path]:
    """Files of the project that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{name}" for name in names)]
        found |= {Path(*name.split(".")).with_suffix(".py") for name in names}
    return {file for file in found if (ROOT / file).is_file()} - {path}


def cycle(graph: dict[Path, set[Path]]) -> list[Path]:
    """Modules that import each other in a circle; none where there is no such circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle():
    assert cycle({path: modules_imported(path) for path in SOURCES}) == []


def test_a_circle_is_found():
    one, two = Path("one.py"), Path("two.py")
    assert cycle({one: {two}, two: {one}})


def test_recon_lists_the_pipeline():
    flat = [path for path in (ROOT / "recon").glob("*.py") if not path.name.startswith("__")]
    assert len(flat) <= MOST_FLAT
    assert {"intake", "mask", "unwrap", "field", "background", "inversion"} <= {
        p.name for p in (ROOT / "recon").iterdir()
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_package_with_one_stage_module(stage):
    assert (ROOT / "recon" / stage / "stage.py").is_file()


def test_snakefile_and_common_names_are_short():
    assert len(SNAKEFILES[0].read_text().splitlines()) <= 60
    assert len((ROOT / "workflow/rules/common.smk").read_text().splitlines()) <= 45


def functions(text: str) -> list[int]:
    """Lines of the body of every function that Snakemake code defines."""
    lines, found = text.splitlines(), []
    for number, line in enumerate(lines):
        if head := re.match(r"( *)(?:async )?def \w+\(", line):
            inside = re.compile(rf"{head[1]} +\S|$")
            body = next((k for k, after in enumerate(lines[number + 1 :]) if not inside.match(after)), len(lines))
            found.append(sum(bool(after.strip()) for after in lines[number + 1 : number + 1 + body]))
    return found


@pytest.mark.parametrize("path", SNAKEFILES, ids=lambda path: path.name)
def test_rules_hold_no_program(path):
    text = path.read_text()
    assert not re.search(r"^\s*(?:try|class \w+.*):", text, re.M)
    assert all(lines <= 3 for lines in functions(text))


def test_the_lines_of_functions_in_rules_are_counted():
    assert functions("def f(x):\n    a = 1\n\n    return a\n\n\nrule r:\n    input: 1\n") == [2]


def test_one_function_reads_the_names_of_the_rules():
    users = [str(path) for path in SOURCES if "workflow.globals" in (ROOT / path).read_text()]
    assert users == ["workflow/lib/planning/dry_run.py"]
    assert not any("globals(" in path.read_text() for path in SNAKEFILES)
