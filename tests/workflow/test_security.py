"""Names, links and texts of others: nothing is executed, nothing is read elsewhere, nothing is unpickled."""

import ast
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

from qnet.application.bundle import verified
from recon.files.io import write_json
from recon.intake.dicom.convert import Conversion
from recon.intake.dicom.folders import subject_folders
from recon.intake.dicom.working_folder import working_folder
from recon.intake.index import index
from tests.recon.intake.raw_files import write_series
from tests.workflow.conftest import SECRET, TRAP, Stranger
from workflow.lib.study.applied import weight_files
from workflow.lib.study.enrolment import enrol
from workflow.lib.study.safe_paths import odd_paths
from workflow.lib.study.scans import files_of

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("recon", "qnet", "workflow", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if ".venv" not in path.parts
)
HOSTILE = {
    "semicolon": f"a;touch {TRAP}",
    "command": f"$(touch {TRAP})",
    "backticks": f"`touch {TRAP}`",
    "pipe": f"a|touch {TRAP}",
    "quotes": f"'\";touch {TRAP};\"'",
    "space": "a b",
    "parent": "..",
    "newline": f"a\ntouch {TRAP}",
    "escape": "\x1b[2J",
    "dash": "-rf",
    "look-alike": "\u0430\u0431\u0432",  # Cyrillic
    "full width": "\uff10\uff11",  # digits, but not those of ASCII
    "braces": "{scan}",
    "right to left": "\u202e10",
    "not unicode": os.fsdecode(b"caf\xe9"),
    "long": "a" * 200,
}
hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


def printable(text: str) -> bool:
    return all(line.isprintable() for line in text.splitlines())


# names of subjects, sessions and files


@pytest.mark.parametrize("name", [n for k, n in HOSTILE.items() if k not in ("long", "parent")],
                         ids=[k for k in HOSTILE if k not in ("long", "parent")])  # fmt: skip
@pytest.mark.parametrize("kind", ["sub", "ses"])
def test_a_label_that_is_not_of_letters_and_digits_is_refused(tmp_path, kind, name):
    write_series(tmp_path, "sub-01/anat/sub-01")
    folder = tmp_path / (f"sub-{name}" if kind == "sub" else f"sub-02/ses-{name}")
    shutil.copytree(tmp_path / "sub-01", folder)
    scans, problems = index(tmp_path)
    assert list(scans) == ["sub-01"]
    (found,) = (str(problem) for of_scan in problems.values() for problem in of_scan)
    assert f"expected a {'subject' if kind == 'sub' else 'session'} label of letters and digits" in found
    assert printable(found)


@hostile
def test_a_file_name_that_is_not_bids_costs_its_subject_alone(tmp_path, name):
    for subject in ("01", "02"):
        write_series(tmp_path, f"sub-{subject}/anat/sub-{subject}")
    folder = tmp_path / "sub-02/anat"
    shutil.copy(folder / "sub-02_echo-1_part-mag_MEGRE.nii.gz", folder / f"sub-02_acq-{name}_MEGRE.nii.gz")
    scans, problems = index(tmp_path)
    assert "sub-01" in scans
    assert printable("".join(str(problem) for of_scan in problems.values() for problem in of_scan))
    assert name == HOSTILE["long"] or list(problems) == ["sub-02"]


@hostile
def test_a_sidecar_with_a_strange_name_is_no_sidecar(tmp_path, name):
    write_series(tmp_path, "sub-01/anat/sub-01")
    write_json(tmp_path / f"{name.replace('..', '.')}_MEGRE.json", {"MagneticFieldStrength": 7})
    scans, problems = index(tmp_path)
    assert problems == {}
    assert not any(name in sidecar for sidecar in scans["sub-01"].series.sidecars)


@hostile
def test_folders_of_dicom_become_plain_labels_or_are_refused(tmp_path, name):
    folder = tmp_path / "dicom" / (name if name != ".." else "...")
    folder.mkdir(parents=True)
    try:
        labels = list(subject_folders(tmp_path / "dicom", tmp_path / "bids"))
    except ValueError as error:
        assert printable(str(error))
    else:
        assert all(re.fullmatch("[A-Za-z0-9]+", label) for label in labels)
    assert printable(str(Conversion(subject="sub-1", folder=name, already_there=True)))


def test_what_a_killed_conversion_has_left_is_removed(tmp_path):
    (tmp_path / ".partial-left/raw").mkdir(parents=True)
    (tmp_path / ".partial-left/raw/1_2_3.json").write_text(SECRET)
    with working_folder(tmp_path) as one, working_folder(tmp_path) as other:  # at once, as by two processes
        assert sorted(tmp_path.iterdir()) == sorted([one, other])
    assert list(tmp_path.iterdir()) == []


def test_hostile_rows_of_the_participants_table_are_told_and_do_nothing(tmp_path):
    table = tmp_path / "participants.tsv"
    names = [name for name in HOSTILE.values() if "\n" not in name and name.isprintable() and '"' not in name]
    rows = [f"sub-{name}\t50\tF\t{name}" for name in names]
    table.write_text("\n".join(["participant_id\tage\tsex\tgroup", "sub-01\t50\tF\tHC", *rows, ""]))
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["participants"]
    found = enrol(table, ["sub-01"], settings, 2)
    (problem,) = found.problems[""]
    assert all(name.strip() in str(problem) for name in names) and str(problem).isprintable()
    lines = re.findall(r"--config '.*?'(?=[,; )]|$)", str(problem))  # what a user would paste
    assert lines
    for line in lines:
        run = subprocess.run(
            ["bash", "-c", f"printf %s {line}"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert run.stdout.startswith("--configparticipants={") and not (tmp_path / TRAP).exists()
    assert found.labels["sub-01"] == "HC"
    listed = enrol(table, ["sub-01"], settings | {"positive_labels": names}, 2)
    assert {f"sub-{name}" for name in names} <= listed.problems.keys()


@pytest.mark.parametrize("name", ["{scan}", "a\nb", "\x1b[2J", os.fsdecode(b"caf\xe9")])
def test_paths_that_the_workflow_cannot_take_are_refused_clearly(tmp_path, name):
    write_series(tmp_path / name, "sub-01/anat/sub-01")
    scans, _ = index(tmp_path / name)
    ((problem,),) = odd_paths({name: files_of(scan) for name, scan in scans.items()}).values()
    assert "expected a path of printable characters other than { and }" in str(problem)
    assert printable(str(problem))


def test_usual_paths_are_taken(tmp_path):
    write_series(tmp_path / 'größe 大\'s "$(touch x)" (1)', "sub-01/anat/sub-01")
    scans, _ = index(next(tmp_path.iterdir()))
    assert odd_paths({name: files_of(scan) for name, scan in scans.items()}) == {}


# the configuration


@pytest.mark.parametrize("name", [*HOSTILE.values(), "../x", "a/b", "", "a\n"])
def test_the_name_of_a_run_is_one_plain_folder(repository, name):
    schema = yaml.safe_load((repository / "workflow/schemas/config.schema.yaml").read_text())
    valid = jsonschema.Draft202012Validator(schema["properties"]["dataset"]).is_valid
    assert valid("study_2-b")
    assert not valid(name)


PLACE = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


def test_rules_quote_what_they_hand_to_a_shell(repository):
    found = []
    for path in [repository / "workflow/Snakefile", *(repository / "workflow/rules").glob("*.smk")]:
        text = path.read_text()
        assert not re.search(r"^\s+run:", text, re.M), path
        for command in re.findall(r"^    shell:\n((?:        .*\n)+)", text, re.M):
            found += [place for place in PLACE.findall(command) if not place.endswith(":q")]
    assert set(found) <= {"params.status"}  # a number


@pytest.mark.parametrize(
    "name", ["a b", f"$(touch {TRAP})", f"$(shell touch {TRAP})", f'\'";touch {TRAP};"', "`touch trap`"]
)
def test_make_hands_folders_on_as_they_are(repository, tmp_path, name):
    """A stand-in for Python prints its arguments."""
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" > arguments\n")
    (tmp_path / "env/bin/python").chmod(0o755)
    for file in ("Makefile", "requirements.lock"):
        shutil.copy(repository / file, tmp_path)
    (tmp_path / "env/.synced").touch()
    command = ["make", "check", "VENV=env", f"BIDS={name}", f"DATASET=x;touch {TRAP}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not (tmp_path / TRAP).exists(), run.stderr
    assert f"bids_dir={name}" in (tmp_path / "arguments").read_text().split("\0"), run.stderr


# links and paths inside files

OPENED = """
import json, os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(os.fspath(args[0])) if event in ("open", "os.listdir", "os.scandir")
                 and isinstance(args[0], (str, bytes, os.PathLike)) else None)
from pathlib import Path
from recon.intake.decide import PrepareEchoes
from workflow.lib.study.intake import take_in
bids, cache = map(Path, sys.argv[1:])
prepare = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
take_in(bids, None, prepare, cache, 1, progress=lambda *step: None)
print(json.dumps([os.fsdecode(path) for path in opened]))
"""
POINTERS = {
    "IntendedFor": ["bids::../../outside/secret.json", "../../../outside/secret.json"],
    "Sources": ["bids:other:/outside/secret.json"],
    "B0FieldSource": "../../outside/secret.json",
    "RawSources": ["/outside/secret.json"],
}


def test_paths_in_files_are_not_followed(repository, tmp_path):
    """Every file that the intake opens lies in the dataset, whatever sidecars and tables point to."""
    bids, outside = tmp_path / "bids", tmp_path / "outside"
    absolute = json.loads(json.dumps(POINTERS).replace("/outside", str(outside)))
    write_series(bids, "sub-01/anat/sub-01", sidecar=absolute)
    write_json(outside / "secret.json", {"MagneticFieldStrength": 7})
    links = {"other": f"file://{outside}"}
    write_json(bids / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.10.0", "DatasetLinks": links})
    (bids / "sub-01/sub-01_scans.tsv").write_text(f"filename\n{outside}/secret.json\n../../outside/secret.json\n")
    (bids / "participants.tsv").write_text("participant_id\n../outside/secret.json\n")
    write_series(bids, "derivatives/own/sub-01/anat/sub-01", echoes=(1,), sidecar=absolute)
    command = [sys.executable, "-c", OPENED, str(bids), str(tmp_path / "cache")]
    told = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    opened = [path for path in json.loads(told) if path.startswith(str(tmp_path))]
    assert sum(path.startswith(str(bids)) for path in opened) > 8
    assert [path for path in opened if path.startswith(str(outside)) or ".." in path] == []


@pytest.mark.parametrize("place", ["../elsewhere.safetensors", "/etc/hostname", "a/../../elsewhere.safetensors"])
def test_weights_of_a_bundle_lie_beside_it(tmp_path, place):
    (tmp_path / "elsewhere.safetensors").touch()
    bundle = {"weights": [{"image": place, "scan": place, "image_sha256": ""}]}
    with pytest.raises(ValueError, match="expected weights in"):
        weight_files(bundle, tmp_path / "qnet/model.json")
    with pytest.raises(ValueError, match="expected weights in"):
        verified(tmp_path / "qnet", bundle["weights"][0], "image")


@pytest.mark.parametrize("inside", [True, False], ids=["git-annex", "another disk"])
def test_links_are_read_inside_and_outside_the_dataset(tmp_path, inside):
    """Files of datalad are links into .git/annex; others keep their images on another disk."""
    write_series(tmp_path / "real", "sub-01/anat/sub-01")
    bids = tmp_path / "bids"
    store = bids / ".git/annex/objects" if inside else tmp_path / "disk"
    for file in (tmp_path / "real").rglob("*.*"):
        place, stored = bids / file.relative_to(tmp_path / "real"), store / file.name
        for folder in (place.parent, store):
            folder.mkdir(parents=True, exist_ok=True)
        file.rename(stored)
        place.symlink_to(os.path.relpath(stored, place.parent) if inside else stored)
    scans, problems = index(bids)
    assert problems == {}
    assert all(Path(file).is_relative_to(bids) for file in scans["sub-01"].series.files)


# a whole run on the data of a stranger


def test_nothing_in_the_name_of_a_folder_is_executed(stranger: Stranger, tiny):
    assert (stranger.results / "derivatives/qnet/sub-01/anat/sub-01_Chimap.nii.gz").is_file()
    assert list(tiny.rglob(TRAP)) + list(stranger.folder.parent.rglob(TRAP)) == []


def test_nothing_tells_who_was_scanned(stranger: Stranger):
    """Neither results nor logs, pages and memory of the check, nor what was printed."""
    assert SECRET.encode() in (stranger.folder / "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.json").read_bytes()
    files = [path for path in stranger.results.rglob("*") if path.is_file()]
    assert {".html", ".md", ".json", ".gz", ".log", ".tsv", ".txt", ".png"} <= {path.suffix for path in files}
    assert [path for path in files if SECRET.lower() in (unpacked(path).decode("latin-1") + path.name).lower()] == []
    assert SECRET not in stranger.told


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


# code

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN = {
    "eval", "exec", "os.system", "os.popen", "pd.eval", "subprocess.getoutput", "subprocess.getstatusoutput",
    "yaml.unsafe_load", "yaml.full_load", "Markup",
}  # fmt: skip


def unsafe(tree: ast.AST) -> list[str]:
    """Ways to run what a file or a name says."""
    found, nodes = [], list(ast.walk(tree))
    known = {ast.unparse(node.targets[0]): ast.unparse(node.value) for node in nodes if isinstance(node, ast.Assign)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            found += sorted({name.split(".")[0] for name in names} & PICKLES)
        if isinstance(node, ast.Call):
            found += _unsafe_call(node, known)
    return found


def _unsafe_call(call: ast.Call, known: dict[str, str]) -> list[str]:
    name, keywords = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
    loader = keywords.get("Loader", ast.unparse(call.args[1]) if len(call.args) > 1 else "")
    wrong = [
        name in FORBIDDEN or name.endswith((".to_pickle", ".read_pickle")),
        name == "yaml.load" and "SafeLoader" not in known.get(loader, loader),
        name == "torch.load" and keywords.get("weights_only") != "True",
        keywords.get("allow_pickle", "False") != "False",
        keywords.get("shell", "False") != "False",
    ]
    return [name] if any(wrong) else []


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell():
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}
    assert len(trees) > 150
    assert {name: found for name, tree in trees.items() if (found := unsafe(tree))} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "yaml.load(t)",
        "L = yaml.UnsafeLoader; yaml.load(t, L)",
        "np.load(p, allow_pickle=True)",
        "subprocess.run(c, shell=True)",
        "os.system(c)",
    ],
)
def test_the_search_finds_what_is_unsafe(code):
    assert unsafe(ast.parse(code))


def test_arrays_with_objects_are_refused(tmp_path):
    from qnet.images.data import read_stack

    np.savez(tmp_path / "stack.npz", slice=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="[Oo]bject|pickle"):
        read_stack(tmp_path / "stack.npz", "full")
