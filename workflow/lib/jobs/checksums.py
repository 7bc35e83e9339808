"""SHA-256 of what jobs read and wrote, below `results/<dataset>/checksums/`.

`jobs/<log>.json`: one a job, with its rule, inputs and outputs.
`files/<output>.sha256`: one an output, so that a reader of the file finds its sum at once. It also holds the JSON
file beside an image, which no rule declares, and is text that `sha256sum --check` understands.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from recon.files.atomic import atomic
from workflow.lib.jobs.just_written import hashed, known_sha256, sha256

FOLDER = "checksums"
LOG = re.compile(r"(.+?)/logs/(?:variants/[^/]+/|sub-[^/]+/(?:ses-[^/]+/)?)?[^/]+")  # as in setup/paths.py
ADVICE = (
    "Delete {file} and run again to remake it. Do not edit files of the results: put your own masks, labels and T1w "
    "images in `derivatives`, see docs/reference/input.md"
)


class AlteredFileError(ValueError):
    """A file is not the one that a job wrote."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a job has written under the name of one output.

    Parameters
    ----------
    rule : that wrote it
    sums : file → SHA-256, of the output and of the JSON file beside it, if any
    """

    rule: str
    sums: dict[Path, str]


def run_folder(log: str) -> Path:
    """`results/NAME` of the log `results/NAME/logs/…`, wherever the results are and whatever else is called `logs`."""
    return Path(LOG.fullmatch(log)[1])


def job_record(log: str) -> Path:
    """Path of the record of the job with this log: no two jobs share a log."""
    folder = run_folder(log)
    return folder / FOLDER / "jobs" / Path(log).relative_to(folder / "logs").with_suffix(".json")


def file_record(folder: Path, file: Path) -> Path:
    """Path of the checksums of an output; `file` is relative to the run's folder."""
    return folder / FOLDER / "files" / f"{file}.sha256"


def read_file_record(path: Path, folder: Path) -> Written:
    """Read the checksums of an output of the run in `folder`; ValueError where the record is invalid."""
    try:
        rule, *lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        return Written(rule=rule.removeprefix("# "), sums={folder / file: found for found, file in pairs})
    except ValueError as error:
        raise ValueError(
            f"{path}: expected checksums as `sha256sum` writes them, found {error}. Delete this file"
        ) from None


def recorded(file: str | Path) -> Written | None:
    """What the job that wrote `file` has recorded, of any run; None for a file that no job wrote."""
    for folder in Path(file).parents:
        path = file_record(folder, Path(file).relative_to(folder))
        if path.is_file():
            return read_file_record(path, folder)
    return None


def differences(written: Written, sum_of: Callable[[Path], str] = sha256) -> list[str]:
    """What is wrong with the files of a record, one line each; `sum_of` gives the SHA-256 of a file."""
    found = {file: sum_of(file) if file.is_file() else "no file" for file in written.sums}
    return [
        f"{file}: expected SHA-256 {expected[:16]}… as rule {written.rule} wrote it, found {found[file]:.16}"
        for file, expected in written.sums.items()
        if found[file] != expected
    ]


def verified(inputs: Iterable[str]) -> dict[str, str]:
    """SHA-256 by file of a job's inputs, after a comparison with what the jobs that wrote them have recorded.

    Raises
    ------
    AlteredFileError
        An input, or the JSON file beside it, differs; the message names all of them and says what to do.
    FileNotFoundError
        An input is missing.
    """
    sums, problems = {}, []
    for file in dict.fromkeys(inputs):
        written = recorded(file)
        if written and (found := differences(written, known_sha256)):
            problems += [*found, ADVICE.format(file=file)]
        elif not Path(file).is_file():
            raise FileNotFoundError(f"{file}: expected this input, found no file")
        else:
            sums[file] = written.sums[Path(file)] if written else sha256(file)
    if problems:
        raise AlteredFileError("\n".join(problems))
    return sums


def forget(log: str, outputs: Iterable[str]) -> None:
    """Remove the records of a job that begins: no record may remain beside a file that it does not describe."""
    folder = run_folder(log)
    for path in (job_record(log), *(file_record(folder, Path(file).relative_to(folder)) for file in outputs)):
        path.unlink(missing_ok=True)


def remember(log: str, rule: str, inputs: dict[str, str], outputs: Iterable[str]) -> None:
    """Record what a job that ended well has read and written; no time and no host, so that runs can be compared."""
    folder, sums = run_folder(log), {}
    for output in filter(Path.is_file, map(Path, outputs)):  # what is missing, Snakemake reports
        own = {file: hashed(file) for file in (output, *beside(output))}
        lines = [f"# {rule}", *(f"{found}  {file.relative_to(folder)}" for file, found in own.items()), ""]
        _write(file_record(folder, output.relative_to(folder)), "\n".join(lines))
        sums |= {str(file): found for file, found in own.items()}
    content = {"rule": rule, "inputs": inputs, "outputs": sums}
    _write(job_record(log), json.dumps(content, indent=1, sort_keys=True) + "\n")


def beside(image: Path) -> list[Path]:
    """The JSON file that belongs to a NIfTI image, where there is one."""
    stem, found, _ = image.name.partition(".nii")
    return [file for file in [image.with_name(f"{stem}.json")] if found and file.is_file()]


def _write(path: Path, text: str) -> None:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def job_records(folder: Path) -> list[dict]:
    """The records of all jobs of a run: `rule`, `inputs` and `outputs`, the latter file → SHA-256."""
    paths = sorted((folder / FOLDER / "jobs").rglob("[!.]*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def raw_inputs(folder: Path) -> dict[str, str]:
    """SHA-256 by file of what the jobs of a run have read and none of them has written.

    These are raw images and sidecars, the participants table, masks, labels and weights of the user, and what another
    run has trained.
    """
    records = job_records(folder)
    made = {file for record in records for file in record["outputs"]}
    read = {file: found for record in records for file, found in record["inputs"].items() if file not in made}
    return dict(sorted(read.items()))
