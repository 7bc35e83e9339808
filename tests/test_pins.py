"""One version of every package, whoever installs it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from rattler import MatchSpec, Version, VersionSpec

from tests.pins import DRIVER, ENVIRONMENTS, ROOT, dependencies, in_conda, locked
from workflow.lib.record.provenance import code

FROM_INDEX = {"dcm2niix", "python-gdcm"}  # as wheels, which environment.yml tells; conda has all others
NOT_IMPORTED = {
    "python": "runs the scripts",
    "pip": "installs what stands under it",
    "python-gdcm": "found by pydicom",
    "nilearn": "its files are read: the MNI152 template",
    "snakemake": "the command",
}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda p: p.name)
def test_channels_leave_no_choice(path):
    """With strict priority the first channel that has a package wins; `nodefaults` keeps a user's own channels out."""
    channels = yaml.safe_load(path.read_text())["channels"]
    assert channels in (["conda-forge", "nodefaults"], ["conda-forge", "bioconda", "nodefaults"])


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda p: p.name)
def test_environment_pins_equal_the_lock(path):
    for_conda, for_pip = dependencies(path)
    pins = [MatchSpec(requirement, strict=True) for requirement in for_conda]
    versions = in_conda()
    for pin in pins:
        if pin.name.normalized not in ("python", "pip"):
            assert str(pin.version) in {f"=={version}" for version in versions[pin.name.normalized]}, str(pin)
    assert {tuple(requirement.split("==")) for requirement in for_pip} <= {
        (name, version) for name in FROM_INDEX for version in locked()[name]
    }


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda p: p.name)
def test_python_is_a_series_that_the_project_allows(path):
    """A series, not a release: for conda `==3.12.*` means 3.12.0."""
    python = next(spec for r in dependencies(path)[0] if (spec := MatchSpec(r)).name.normalized == "python")
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=3.")
    series = [minor for minor in range(99) if VersionSpec(str(python.version)).matches(Version(f"3.{minor}.7"))]
    assert len(series) == 1
    assert series[0] >= int(least)


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
    "isal": "python-isal",
    "matplotlib": "matplotlib-base",
    "mpl_toolkits": "matplotlib-base",
    "SimpleITK": "simpleitk",
    "skimage": "scikit-image",
    "snakemake_executor_plugin_slurm": "snakemake-executor-plugin-slurm",
    "snakemake_interface_executor_plugins": "snakemake",  # which brings it
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
SNAKEFILES = [ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


def third_party(*files: str) -> set[str]:
    """Packages that files and the project modules that they reach import, by their name in conda."""
    modules = set()
    for reached in {reached for file in files for reached in code(file)}:
        for node in ast.walk(ast.parse((ROOT / reached).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    names = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"recon", "qnet", "workflow"}
    return {IMPORT_NAMES.get(name, name) for name in names}


def driver_files() -> list[str]:
    """Modules that the Snakefile imports, and those that are commands."""
    text = "\n".join(path.read_text() for path in SNAKEFILES)
    imported = {f"{name.replace('.', '/')}.py" for name in re.findall(r"^from ((?:recon|workflow)[\w.]+)", text, re.M)}
    folders = (ROOT / "workflow", ROOT / "workflow" / "cli")
    commands = [path.relative_to(ROOT).as_posix() for folder in folders for path in folder.glob("*.py")]
    return sorted({"recon/__main__.py", "qnet/__main__.py", *imported, *commands})


def names(path: Path) -> set[str]:
    for_conda, for_pip = dependencies(path)
    return {re.match(r"[\w-]+", requirement)[0] for requirement in (*for_conda, *for_pip)}


@pytest.mark.parametrize(("environment", "script"), RULES, ids=lambda name: Path(name).stem)
def test_environment_of_a_rule_holds_what_its_script_imports(environment, script):
    assert third_party(f"workflow/{script}") <= names(ROOT / "workflow" / environment)


@pytest.mark.parametrize("environment", sorted({environment for environment, _ in RULES}))
def test_environment_of_rules_holds_nothing_that_no_script_imports(environment):
    scripts = [f"workflow/{script}" for of_rule, script in RULES if of_rule == environment]
    assert names(ROOT / "workflow" / environment) - third_party(*scripts) <= NOT_IMPORTED.keys()


def test_driver_holds_what_snakefile_and_commands_import_and_nothing_else():
    wanted = third_party(*driver_files()) - {"snakemake"}
    assert names(DRIVER) - NOT_IMPORTED.keys() == wanted


def test_every_rule_is_looked_at():
    assert len({script for _, script in RULES}) == len(list((ROOT / "workflow/scripts").glob("*.py")))
