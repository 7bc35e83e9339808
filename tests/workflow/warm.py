"""`python -m MODULE ARGUMENTS` in a process forked from one that has imported what takes seconds.

Nothing of the project is imported before the fork: every command reads the project's files anew, as a real one does.
Only the fingerprints of code that has not changed are remembered.
"""

import gc
import io
import os
import pickle
import re
import runpy
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

SLOW = ["jsonschema", "nibabel", "pandas", "scipy.ndimage", "scipy.optimize", "snakemake.persistence.file"]
PACKAGES = ("recon", "qnet", "workflow")


def command(folder: Path, module: str, *arguments: str) -> tuple[int, str]:
    """Exit status and printed text of a module that is run in the folder of a project."""
    return _process().submit(_forked, str(folder), module, arguments).result()


def planned_jobs(project: Path, *arguments: str) -> dict[str, int]:
    """{rule: number of jobs} that Snakemake's dry run lists, without targets that compute nothing."""
    status, text = command(project, "snakemake", "--cores", "2", "--dry-run", *arguments)
    assert status == 0, text[-3000:]
    return listed_jobs(text)


def listed_jobs(text: str) -> dict[str, int]:
    """The same from what a dry run printed."""
    table = re.search(r"^job +count\n[-\s]+\n(.*?)^total ", text, re.M | re.S)
    if table is None:
        assert "Nothing to be done" in text, text[-3000:]
        return {}
    jobs = {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines())}
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "maps")}


@cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_import_slow_modules)


def _import_slow_modules() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in SLOW:
        import_module(module)
    import_module("snakemake.cli").get_argument_parser()  # finds the plug-ins
    gc.disable()  # a command is over before it needs any


def _forked(folder: str, module: str, arguments: tuple[str, ...]) -> tuple[int, str]:
    known = _fingerprints(folder)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(_run(folder, module, arguments, known), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer)


def _run(folder: str, module: str, arguments: tuple[str, ...], known: dict) -> tuple[int, str]:
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = [module, *arguments]
    status: object = 0
    with io.StringIO() as text, redirect_stdout(text), redirect_stderr(text):
        try:
            provenance = import_module("workflow.lib.record.provenance")
            provenance.fingerprint = _remembering(provenance.fingerprint, known, folder)
            os.execv = _become
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code
        except BaseException:
            status = traceback.format_exc()
            text.write(status)
        return status if isinstance(status, int) else int(status is not None), text.getvalue()


def _become(_: str, words: list[str]) -> None:
    """For `os.execv` of `python -P -m MODULE ARGUMENTS`: the module runs here, where what it needs is imported."""
    module = words.index("-m") + 1
    sys.argv = words[module:]
    runpy.run_module(words[module], run_name="__main__", alter_sys=True)
    sys.exit(0)


@cache
def _fingerprints(folder: str) -> dict[str, tuple[bytes, object]]:
    """Content and fingerprint of every module of a project, of which nothing stays imported."""
    sys.path.insert(0, folder)
    try:
        provenance = import_module("workflow.lib.record.provenance")
        files = [str(path.relative_to(folder)) for package in PACKAGES for path in Path(folder, package).rglob("*.py")]
        return {file: (Path(folder, file).read_bytes(), provenance.fingerprint(file)) for file in files}
    finally:
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]


def _remembering(fingerprint: Callable, known: dict, folder: str) -> Callable:
    def remembered(file: str):
        content, found = known.get(file, (None, None))
        return found if content == Path(folder, file).read_bytes() else fingerprint(file)

    return remembered
