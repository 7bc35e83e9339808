"""Every file of a result appears whole or not at all: writers go through `atomic`."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p.relative_to(ROOT) for folder in ("recon", "qnet", "workflow") for p in (ROOT / folder).rglob("*.py"))
METHODS = {"to_csv", "to_json", "savefig", "imsave", "write_text", "write_bytes", "savez", "savetxt", "tofile", "touch"}
MODULES = {  # functions whose names alone could mean something else
    "np": {"save"}, "nib": {"save"}, "torch": {"save"}, "json": {"dump"}, "shutil": {"copy", "copy2", "copyfile"},
}  # fmt: skip
ALLOWED = {
    "workflow/lib/jobs/job.py": {"open"},  # a log shows how far a job came
    "recon/intake/dicom/clean.py": {"open"},  # into a temporary folder that is renamed as a whole
    "recon/intake/dicom/bytes.py": {"open"},  # unpacked into a temporary folder that goes with the conversion
    "recon/check/pictures.py": {"savefig"},  # into memory
    "qnet/application/apply_figures.py": {"savefig"},  # into memory
}


def name_of(call: ast.Call) -> str:
    """`savefig` of `figure.savefig(…)`."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def opens_to_write(call: ast.Call) -> bool:
    given = [
        argument.value
        for argument in [*call.args, *(k.value for k in call.keywords)]
        if isinstance(argument, ast.Constant)
    ]
    modes = [value for value in given if isinstance(value, str) and set(value) <= set("rwaxbt+")]
    return any(set(mode) & set("wax+") for mode in modes)


def writes(call: ast.Call) -> bool:
    """Whether a call creates or changes a file, judged by its name."""
    name, owner = name_of(call), getattr(call.func, "value", None)
    if name == "open":
        return opens_to_write(call)
    a_method = isinstance(call.func, ast.Attribute) and name in METHODS
    return a_method or name == "save_file" or name in MODULES.get(getattr(owner, "id", ""), ())


def in_place(source: str) -> set[str]:
    """Names of the calls that write outside a block `with atomic(…)`."""
    tree = ast.parse(source)
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any("atomic(" in ast.unparse(item) for item in node.items)
    ]
    safe = {id(inner) for block in blocks for inner in ast.walk(block)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in safe]
    return {name_of(call) for call in calls if writes(call)}


def test_every_file_is_written_beside_its_name_and_renamed():
    found = {str(path): in_place((ROOT / path).read_text()) for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == ALLOWED


def test_a_writer_in_place_is_seen():
    for line in ('p.write_text("a")', 'open(p, "w")', 'p.open(mode="ab")', "t.to_csv(p)", "np.save(p, a)"):
        assert in_place(line), line
        assert not in_place(f"with atomic(p) as part:\n    {line}"), line
    for line in ("open(p)", 'open(p, "rb")', "save(p, figure)", "ast.dump(tree)"):
        assert not in_place(line), line
