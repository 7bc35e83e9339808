"""`q-net export-dicom results/NAME OUT`: the maps of finished scans as derived DICOM series, one file a slice.

OUT is a new folder with one sub-folder a scan. Without --source, patient and examination are new ones named after the
BIDS subject. With --source DIR, the user's own DICOM of one scan, the series join its examination, share its frame of
reference and refer to its images; name, dates and other fields of the patient are copied with --copy-patient only.
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from qnet.labels import RESEARCH_USE, SYNTHETIC
from recon.export.scan import MASK, QUANTITIES, Maps, export_scan, source_of_scan
from recon.export.source import Source
from recon.files.io import read_json
from recon.problems import Problem, ProblemError
from workflow.lib.record.versions import project_version

OTHER = re.compile("_(desc|space)-")  # in names of maps of single echoes and of those in template space
NOT_COMPARED = "voxels not compared: the T1w map is not the first echo, or the source has no magnitude"


def main(words: Sequence[str]) -> int:
    """Write the series and say what was written; 2 where something is refused."""
    options = _options(words)
    try:
        scans = _scans(options.run, options.scan)
        _check(options, scans)
        sources = {maps.scan: source_of_scan(maps, options.source, _others(scans, maps, options.run))
                   for maps in scans if options.source}  # fmt: skip
        written = _write(options, scans, sources)
    except ValueError as error:
        print(f"q-net export-dicom: {error}", file=sys.stderr)
        return 2
    for scan, series in written.items():
        for folder, count in series.items():
            print(f"{options.out / scan / folder}: {count} images")
        if scan in sources:
            print(f"{scan}: {_evidence(sources[scan])}")
    return 0


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="q-net export-dicom", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run, results/NAME")
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--scan", nargs="+", metavar="SCAN", default=[], help="such as sub-01_ses-02 (default: all)")
    parser.add_argument("--maps", nargs="+", choices=QUANTITIES, default=[*QUANTITIES], help="default: all")
    parser.add_argument("--source", metavar="DIR", type=Path, help="your own DICOM files of the one scan exported")
    parser.add_argument("--copy-patient", action="store_true", help="copy patient and examination from --source")
    return parser.parse_args(words)


def _scans(run: Path, wanted: Sequence[str]) -> list[Maps]:
    """The scans to export; ProblemError where the run has none of that name, or none at all."""
    maps = run / "derivatives" / "qnet"
    ending = f"_{QUANTITIES['chi'].suffix}.nii.gz"
    paths = [path for path in sorted(maps.glob(f"sub-*/**/anat/sub-*{ending}")) if not OTHER.search(path.name)]
    found = {path.name.removesuffix(ending): path.parent for path in paths}
    if not found:
        raise ProblemError([Problem(str(run), "a run with maps (derivatives/qnet/sub-…/anat/…_Chimap.nii.gz)", "none")])
    if unknown := [scan for scan in wanted if scan not in found]:
        raise ProblemError([Problem("--scan", f"scans of {run}: {', '.join(found)}", ", ".join(unknown))])
    return [Maps(scan=scan, folder=folder) for scan, folder in found.items() if not wanted or scan in wanted]


def _check(options: argparse.Namespace, scans: Sequence[Maps]) -> None:
    """Raise ProblemError for what can be refused before anything is read."""
    problems = []
    if os.path.lexists(options.out):
        problems.append(Problem(str(options.out), "a folder that does not exist yet", "one that does"))
    if options.copy_patient and not options.source:
        problems.append(Problem("--copy-patient", "--source DIR, whose patient is copied", "no --source"))
    if options.source and len(scans) > 1:
        names = ", ".join(maps.scan for maps in scans)
        problems.append(Problem("--source", f"one scan (--scan {scans[0].scan})", f"{len(scans)}: {names}"))
    for maps in scans:
        needed = [QUANTITIES[name].suffix for name in options.maps if maps.has(name)]
        missing = [maps.path(suffix) for suffix in (*needed, MASK) if not maps.path(suffix).is_file()]
        problems += [Problem(str(path), "a finished map", "no file") for path in missing]
        if not needed:
            problems.append(Problem(maps.scan, f"one of the maps {', '.join(options.maps)}", "none"))
    if problems:
        raise ProblemError(problems)


def _others(scans: Sequence[Maps], maps: Maps, run: Path) -> list[str]:
    """Labels of the subjects of the run but the scan's own."""
    folders = {path.name for path in (run / "derivatives" / "qnet").glob("sub-*") if path.is_dir()}
    return sorted(folders - {maps.scan.split("_")[0]})


def _write(options: argparse.Namespace, scans: Sequence[Maps], sources: dict[str, Source]) -> dict[str, dict[str, int]]:
    """Write all scans beside OUT, which is named OUT when all is there; number of images by scan and series."""
    description = read_json(options.run / "derivatives" / "qnet" / "dataset_description.json")
    simulated = str(description.get("Name", "")).startswith(SYNTHETIC)
    comments = f"{SYNTHETIC}. {RESEARCH_USE}" if simulated else RESEARCH_USE
    partial = options.out.with_name(f".{os.getpid()}.partial.{options.out.name}")
    try:
        written = {
            maps.scan: export_scan(
                maps,
                partial / maps.scan,
                [name for name in options.maps if maps.has(name)],
                dataset=options.run.resolve().name,
                software=f"Q-Net {project_version()}",
                comments=comments,
                source=sources.get(maps.scan),
                copy_patient=options.copy_patient,
            )
            for maps in scans
        }
        partial.rename(options.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def _evidence(source: Source) -> str:
    """Why the source is taken for that of the scan."""
    series = ", ".join(map(str, source.series))
    r = source.correlation
    same = NOT_COMPARED if r is None else f"first echo and T1w map correlate by {r:.4f}"
    return f"source: series {series}, a slice at every place of the maps; {same}"
