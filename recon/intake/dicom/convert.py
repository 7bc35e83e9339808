"""DICOM folders to a BIDS dataset: `python -m recon.intake.dicom.convert DICOM_DIR BIDS_DIR`."""

import argparse
import os
import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from recon.files.io import sidecar_path, write_json, write_text
from recon.intake.dicom.bytes import told_of_others
from recon.intake.dicom.clean import copy_without_texts, phase_units, sidecar
from recon.intake.dicom.coils import single_coils
from recon.intake.dicom.converter import find_converter, run_converter
from recon.intake.dicom.folders import subject_folders, visits
from recon.intake.dicom.images import Pair, read_images
from recon.intake.dicom.series import NO_SERIES, Skipped, choose, labels
from recon.intake.dicom.source import (
    Changes,
    Record,
    Source,
    changes,
    converter_version,
    keep_times,
    recorded,
    remember,
    remembered,
    source_of,
)
from recon.intake.dicom.stage import READY, Staged, scattered, stage
from recon.intake.dicom.verify import (
    is_lossy,
    lossy_parts,
    lost_echoes,
    misplaced,
    partly_scaled,
    placeless,
    unproven,
    with_own_facts,
)
from recon.intake.dicom.working_folder import working_folder
from recon.intake.proof import LOSSY_FLAG
from recon.problems import IntakeError, Problem, printable

BIDS_VERSION = "1.10.0"


class Found(NamedTuple):
    """One series as it was written: the start of its file names, and where it came from."""

    name: str
    numbers: tuple[int, ...]
    parts: tuple[str, str]
    te_s: tuple[float, ...]
    flip_deg: float
    units: str | None


Converted = tuple[list[Found], list[Skipped], list[Problem]]


class Tools(NamedTuple):
    """What converts: path and version of dcm2niix, and the fingerprint of the code here, where a workflow knows it."""

    converter: str
    version: str
    code: str | None


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of one subject.

    Parameters
    ----------
    subject : `sub-01`
    folder : name of the subject's folder in the DICOM directory
    series : series written, none where there are problems
    skipped : the other series and why
    problems : why the subject was refused; then nothing of it was written
    already_there : the subject was in the dataset before, and was left alone
    note : what has changed since an earlier conversion, or why it could not be asked
    """

    subject: str
    folder: str
    series: tuple[Found, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Problem, ...] = ()
    already_there: bool = False
    note: str = ""

    def __str__(self) -> str:
        return "\n".join([self._headline(), *self._details()])

    def _headline(self) -> str:
        outcome = "already there, not changed" if self.already_there else f"{len(self.series)} series"
        because = f" ({self.note})" if self.note else ""
        return f"{self.subject} (folder {printable(self.folder)}): {'refused' if self.problems else outcome}{because}"

    def _details(self) -> list[str]:
        found = [
            f"  {s.name}: {_echoes(len(s.te_s))}, {' and '.join(s.parts)}, flip angle {s.flip_deg:g}°"
            + (f", phase in {s.units} units" if s.units else "")
            for s in self.series
        ]
        skipped = [f"  {series}" for series in self.skipped]
        return [*found, *skipped, *(f"  {problem}" for problem in self.problems)]


def _echoes(count: int) -> str:
    return f"{count} echoes" if count > 1 else "one echo (QSM without R2*)"


@contextmanager
def _without_warnings() -> Iterator[None]:
    """No warning of pydicom is shown, as it may quote the header: what matters of them is a problem here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pydicom\.")
        yield


@_without_warnings()
def convert(
    dicom_dir: Path,
    bids_dir: Path,
    progress: Callable[[Conversion], None] = lambda done: None,
    code: str | None = None,
) -> tuple[Conversion, ...]:
    """Convert every subject of `dicom_dir` into `bids_dir`, each whole or not at all.

    A subject that is already there is left alone while its DICOM files and what converts them are those of before,
    and converted anew when they have changed. Refused are a change where files have only vanished, and one of a subject
    that was edited by hand.

    Parameters
    ----------
    dicom_dir : folder of one folder a subject (`<label>/` or `<label>/ses-*/`), or of the DICOM files of one subject
    bids_dir : BIDS dataset, made where absent; subjects that came otherwise are left alone
    progress : called with each subject when it is done
    code : fingerprint of the code of the conversion, whose change converts anew; None: not asked

    Raises
    ------
    IntakeError
        Where the folders cannot be subjects, or the converter is absent. What is wrong with one subject stands in its
        Conversion, because the others can still be used.
    """
    dicom_dir, bids_dir = Path(dicom_dir), Path(bids_dir)
    folders, converter = subject_folders(dicom_dir, bids_dir), find_converter()
    tools = Tools(converter, converter_version(converter), code)
    bids_dir.mkdir(parents=True, exist_ok=True)
    done = []
    for label, folder in folders.items():
        done.append(_convert_subject(label, folder, bids_dir, tools))
        progress(done[-1])
    if any(conversion.series for conversion in done):
        _describe(bids_dir)
    return tuple(done)


@_without_warnings()
def vanished(dicom_dir: Path, bids_dir: Path) -> tuple[Conversion, ...]:
    """A refusal of every subject of the dataset that was converted and has no DICOM folder any more.

    Raises
    ------
    IntakeError
        As `convert`.
    """
    here = {f"sub-{label}" for label in subject_folders(dicom_dir, bids_dir)}
    return tuple(_without_folder(dicom_dir, bids_dir / name) for name in recorded(bids_dir) if name not in here)


def _without_folder(dicom_dir: Path, target: Path) -> Conversion:
    found = f"none: put it back, or to go on without it: rm -r {shlex.quote(str(target))}"
    problem = Problem(str(dicom_dir), f"the folder that {target.name} was converted from", found)
    return Conversion(subject=target.name, folder="none", problems=(problem,))


def _convert_subject(label: str, folder: Path, bids_dir: Path, tools: Tools) -> Conversion:
    """Convert a subject that is not there yet, or whose folder has changed since."""
    target = bids_dir / f"sub-{label}"
    done = partial(Conversion, subject=target.name, folder=folder.name)
    try:
        known = remembered(bids_dir, target.name) if target.exists() else None
        if target.exists() and known is None:
            return done(already_there=True, note=f"no record of its DICOM files; {_anew(target)}")
        source, note = source_of(folder, tools.version, tools.code, known.source if known else None), ""
        if known:
            found = changes(known.source, source)
            if not found:
                now = replace(source, code=known.source.code)  # with the times that files have now
                remember(bids_dir, target.name, replace(known, source=now))
                return done(already_there=True)
            edited = known.edited(target)
            if edited and not found.of_files:
                return done(already_there=True, note=f"edited by hand, so not converted anew: {found}")
            if against := _against(found, known, edited, folder, target):
                return done(problems=against)
            note = f"converted anew: {found}"
        series, skipped, problems = _convert_whole(folder, target, source, tools.converter)
    except IntakeError as error:
        return done(problems=error.problems)
    except OSError as error:  # without its path, which may hold a name
        reason = error.strerror or "a disk error"
        return done(problems=(Problem(folder.name, "files that can be read and written", reason),))
    return done(series=() if problems else tuple(series), skipped=tuple(skipped), problems=tuple(problems), note=note)


def _against(found: Changes, known: Record, edited: list[str], folder: Path, target: Path) -> tuple[Problem, ...]:
    """What forbids to convert a subject anew whose folder has changed."""
    if found.only_gone:
        expected = f"all {len(known.source.files)} files that {target.name} was converted from"
        return (Problem(folder.name, expected, f"{found.gone} gone: put them back, or {_anew(target)}"),)
    if edited:
        expected = f"files as they were converted, since its DICOM folder has changed ({found})"
        there = f"{len(edited)} edited by hand, as {edited[0]}: keep a copy, then {_anew(target)}"
        return (Problem(str(target), expected, there),)
    return ()


def _anew(target: Path) -> str:
    """What to type so that a subject is converted from what its folder holds now."""
    return f"to convert anew: rm -r {shlex.quote(str(target))}"


def _convert_whole(folder: Path, target: Path, source: Source, converter: str) -> Converted:
    """Convert all visits into a temporary folder of the dataset, and rename the result when all went well."""
    with working_folder(target.parent) as temporary:
        written = _convert_visits(target.name, folder, temporary, converter)
        if not written[2]:
            made = temporary / target.name
            if target.exists():
                keep_times(target, made)
                os.rename(target, temporary / "before")
            remember(target.parent, target.name, Record.of(source, made))
            os.rename(made, target)
        return written


def _convert_visits(subject: str, folder: Path, temporary: Path, converter: str) -> Converted:
    """Convert every visit into `temporary/sub-XX`."""
    series: list[Found] = []
    skipped: list[Skipped] = []
    problems: list[Problem] = []
    for session, visit in visits(folder).items():
        raw = temporary / f"raw{session}"
        raw.mkdir()
        found, others, wrong = _convert_visit(visit, raw, temporary / subject, f"{subject}{session}", converter)
        series += found
        skipped += others
        problems += wrong
        shutil.rmtree(raw)
    return series, skipped, problems


def _convert_visit(visit: Path, raw: Path, made: Path, name: str, converter: str) -> Converted:
    """Convert one visit by way of the folder `raw` into the subject's folder `made`."""
    where = visit.name if "_ses-" not in name else f"{visit.parent.name}/{visit.name}"
    staged = stage(visit, raw, where)
    if not staged.frames:
        return [], [], [Problem(where, "DICOM files", "; ".join(staged.remarks) or told_of_others(visit))]
    run_converter(converter, raw / READY, raw)
    images, uneven = read_images(raw)
    images = with_own_facts(images, staged)
    coils = single_coils(images, staged.frames)
    remarks = [Skipped(NO_SERIES, remark) for remark in staged.remarks]
    faults = {uid: Skipped(staged.numbers[uid], reason) for uid, reason in staged.faults.items()}
    apart = [Skipped(staged.numbers[uid], reason) for uid, reason in coils.items()]
    gaps = [Skipped(number, "unevenly spaced slices", "as dcm2niix reads their places") for number in sorted(uneven)]
    combined = [image for image in images if image.uid not in coils]
    pairs, skipped, problems = choose(combined, where, [*apart, *faults.values(), *gaps, *remarks])
    skipped += apart
    problems = (problems and scattered(staged, where)) or problems
    used = {image.uid for pair in pairs for stack in pair for image in stack.images}
    skipped += [fault for uid, fault in faults.items() if uid not in used]
    skipped += [gap for gap in gaps if gap.number not in _numbers(pairs)]
    made_of = {image.uid for image in images}
    silent = {number for uid, number in staged.numbers.items() if uid not in made_of and uid not in faults} - uneven
    skipped += [*remarks, *(Skipped(number, "the converter makes no image of it") for number in silent)]
    skipped = sorted(set(skipped))
    problems = placeless(pairs, staged, where) or problems or _problems_of_used(pairs, staged, uneven, where)
    if problems:
        return [], skipped, problems
    return (
        [_write(pair, f"{name}{end}", made, staged) for pair, end in zip(pairs, labels(pairs), strict=True)],
        skipped,
        [],
    )


def _numbers(pairs: Iterable[Pair]) -> set[int]:
    return {number for pair in pairs for number in pair.numbers}


def _problems_of_used(pairs: list[Pair], staged: Staged, uneven: set[int], where: str) -> list[Problem]:
    """What is wrong with the scans that were chosen: of their files, of what became of these, of what they prove."""
    problems = lost_echoes(pairs, staged.frames, where)
    expected = "evenly spaced slices, none missing (take the series away to convert the rest)"
    problems += [
        Problem(f"{where}, series {number}", expected, "uneven spacing") for number in sorted(uneven & _numbers(pairs))
    ]
    uids = {image.uid: image.number for pair in pairs for stack in pair for image in stack.images}
    for uid, number in uids.items():
        if reason := staged.faults.get(uid):
            expected = "every DICOM file complete, with one image of every echo (take a broken series away)"
            found = f"{staged.whole} of {staged.files} converted; {reason}"
            problems.append(Problem(f"{where}, series {number}", expected, found))
    return (
        problems
        or lossy_parts(pairs, staged, where)
        or unproven(pairs, staged, where)
        or partly_scaled(pairs, staged, where)
        or misplaced(pairs, staged, where)
    )


def _write(pair: Pair, name: str, made: Path, staged: Staged) -> Found:
    """Write both parts of a series, each echo an image and its sidecar."""
    anat = made.joinpath(*re.findall("ses-[A-Za-z0-9]+", name), "anat")
    anat.mkdir(parents=True, exist_ok=True)
    units = _units(pair)
    for stack, part in zip(pair, pair.parts, strict=True):
        for echo, raw in enumerate(stack.images, 1):
            image = anat / f"{name}_echo-{echo}_part-{part}_MEGRE.nii.gz"
            copy_without_texts(raw.path, image)
            facts = raw.facts | ({"LossyImageCompression": LOSSY_FLAG} if is_lossy(raw, staged) else {})
            write_json(sidecar_path(image), sidecar(facts, units if part == "phase" else None))
    return Found(name, pair.numbers, pair.parts, pair.first.te_s, pair.flip_deg, units)


def _units(pair: Pair) -> str | None:
    """Units of the phase, `rad` only where all echoes are; None for real and imaginary."""
    if "phase" not in pair.parts:
        return None
    found = {phase_units(raw.path, raw.facts) for raw in pair.second.images}
    return "rad" if found == {"rad"} else "arbitrary"


def _describe(bids_dir: Path) -> None:
    """Write the dataset's description and list of participants, where the user has not written them."""
    description, participants = bids_dir / "dataset_description.json", bids_dir / "participants.tsv"
    if not description.exists():
        generated = [{"Name": "dcm2niix"}, {"Name": "Q-Net", "Description": "recon.intake.dicom.convert"}]
        content = {"Name": "Gradient echo with phase", "BIDSVersion": BIDS_VERSION, "DatasetType": "raw"}
        write_json(description, content | {"GeneratedBy": generated})
    # a list of names alone is ours, and grows with the dataset; anything more was added by the user
    if not participants.exists() or participants.read_text(encoding="utf-8").split("\n")[0].strip() == "participant_id":
        names = sorted(folder.name for folder in bids_dir.glob("sub-*") if folder.is_dir())
        write_text(participants, "\n".join(["participant_id", *names, ""]))


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where a subject was refused."""
    parser = argparse.ArgumentParser(prog="python -m recon.intake.dicom.convert", description="DICOM folders to BIDS.")
    parser.add_argument("dicom_dir", type=Path, help="one folder per subject, or the DICOM files of one subject")
    parser.add_argument("bids_dir", type=Path, help="BIDS dataset to write to; subjects already in it are not changed")
    arguments = parser.parse_args(argv)
    try:
        done = convert(
            arguments.dicom_dir, arguments.bids_dir, progress=lambda conversion: print(conversion, flush=True)
        )
    except IntakeError as error:
        print(error, file=sys.stderr)
        return 1
    return int(any(conversion.problems for conversion in done))


if __name__ == "__main__":
    sys.exit(main())
