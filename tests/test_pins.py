"""One version of every package, whoever installs it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from workflow.lib.provenance import code

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = [ROOT / "environment.yml", *sorted((ROOT / "workflow/envs").glob("*.yaml"))]
CONDA_NAMES = {"pytorch": "torch"}


def locked() -> dict[str, set[str]]:
    """Versions by package in requirements.lock; a package may have one for each range of Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.M):
        versions.setdefault(name, set()).add(version)
    return versions


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda p: p.name)
def test_environment_pins_equal_the_lock(path):
    environment, versions = yaml.safe_load(path.read_text()), locked()
    assert environment["channels"][0] == "conda-forge"
    requirements = [r for r in environment["dependencies"] if isinstance(r, str)]
    from_index = [r for group in environment["dependencies"] if isinstance(group, dict) for r in group["pip"]]
    for requirement in [*requirements, *from_index]:
        name, _, pin = requirement.replace(" ", "").partition("==")
        if name not in ("python", "pip"):
            assert pin in versions[CONDA_NAMES.get(name, name)], requirement


def test_lock_holds_every_dependency_of_the_project_with_hashes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.match(r"[a-zA-Z0-9-]+", requirement).group().lower() for requirement in wanted}
    assert names <= locked().keys()
    text = (ROOT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(locked())


def test_named_packages_are_dependencies():
    project = (ROOT / "pyproject.toml").read_text()
    for name in ("snakemake", "torch", "torchvision", "nibabel", "nipype", "fslpy", "scipy", "numpy", "pandas"):
        assert f'"{name}>=' in project
    assert '"albumentations==2.0.8"' in project


@pytest.mark.parametrize("rules", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda p: p.name)
def test_every_scripted_rule_has_an_environment_that_exists(rules):
    text = rules.read_text()
    assert text.count("script:") == text.count("conda:") == text.count("log:") == text.count("benchmark:")
    for name in re.findall(r'"\.\./(envs/[^"]+)"', text):
        assert (ROOT / "workflow" / name).is_file()


IMPORT_NAMES = {
    "cv2": "albumentations",  # which brings it
    "fsl": "fslpy",
    "SimpleITK": "simpleitk",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torch": "pytorch",
    "yaml": "pyyaml",
}
SCRIPTED_RULES = re.compile(r'conda:\s+"\.\./(envs/\w+\.yaml)".*?script:\s+"\.\./(scripts/\w+\.py)"', re.S)
RULES = sorted(
    pair
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for rule in path.read_text().split("\nrule ")[1:]
    for pair in SCRIPTED_RULES.findall(rule)
)


def third_party(script: str) -> set[str]:
    """Packages that a script and the project modules that it reaches import, by their name in conda."""
    modules = set()
    for file in code(f"workflow/{script}"):
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    names = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"recon", "qnet", "workflow"}
    return {IMPORT_NAMES.get(name, name) for name in names}


@pytest.mark.parametrize(("environment", "script"), RULES, ids=lambda name: Path(name).stem)
def test_environment_of_a_rule_holds_what_its_script_imports(environment, script):
    dependencies = yaml.safe_load((ROOT / "workflow" / environment).read_text())["dependencies"]
    assert third_party(script) <= {requirement.split(" ==")[0] for requirement in dependencies}


def test_every_rule_is_looked_at():
    assert len({script for _, script in RULES}) == len(list((ROOT / "workflow/scripts").glob("*.py")))
