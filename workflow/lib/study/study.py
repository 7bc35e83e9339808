"""The data of a run as the rules see them: usable scans, who can be diagnosed, what was left out and why."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qnet.folds import GROUPED, STRATIFIED, Folds, make_folds
from qnet.harmonise import COMBAT, NONE, Combat, plan
from recon.files.io import read_json, write_json
from recon.intake.decide import PrepareEchoes
from recon.intake.dicom.source import FOLDER
from recon.intake.scan import Scan
from recon.intake.select import EVERYTHING, Select
from recon.phantom.bids import participants
from recon.phantom.cohort import ILL, Simulate, cohort
from recon.problems import IntakeError, Problem, to_type
from workflow.lib.record.provenance import code, digest
from workflow.lib.report.cohort import flow
from workflow.lib.setup.paths import Paths, user_datasets
from workflow.lib.setup.variants import merged
from workflow.lib.study.check_table import Record, text, write_all
from workflow.lib.study.enrolment import Enrolment, enrol, of_message, of_subjects, with_notes
from workflow.lib.study.head_size import checked_size, sphere_problem
from workflow.lib.study.intake import take_in, with_problems
from workflow.lib.study.participants import Participants
from workflow.lib.study.ratings import Ratings, failed, rated_out, read_ratings
from workflow.lib.study.simulated import planned_scans, voxel_sizes_mm
from workflow.lib.study.sites import broken_sessions, sites_of_scans
from workflow.lib.study.verdict import exclude, in_study, must_stop, not_diagnosed

if TYPE_CHECKING:
    from recon.intake.dicom.convert import Conversion

CONVERSION = "recon/intake/dicom/convert.py"
REFUSED = FOLDER / "refused.json"  # subjects of the DICOM folder that a running workflow must not use


class CheckError(ValueError):
    """The text of a check that found what stops a run."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the rules are made from.

    Parameters
    ----------
    scans : the scans to reconstruct, by name
    unfit : problems of the participants table by subject, or under "" of the whole table
    maps_only : why subjects without problems are not diagnosed, by subject
    records : rows of the check table
    flow : subjects found, left out and diagnosed, see `cohort.flow`
    ratings : of scans that somebody has looked at
    """

    scans: dict[str, Scan]
    unfit: dict[str, list[Problem]]
    maps_only: dict[str, str]
    records: list[Record]
    flow: dict | None
    ratings: Ratings = field(default_factory=dict)

    @property
    def fit(self) -> list[Scan]:
        """The scans that nobody has rated fail."""
        return [scan for name, scan in self.scans.items() if name not in failed(self.ratings)]


def simulated_study(cfg: dict, paths: Paths) -> Study:
    """A cohort that is simulated: nothing can be wrong with it but what is asked of it."""
    if Select.of(cfg["select"]) != EVERYTHING:
        raise IntakeError([Problem("config, select", "a dataset to select from (bids_dir)", "a simulated cohort")])
    if cfg["ratings"]:
        raise IntakeError([Problem("config, ratings", "a dataset of persons (bids_dir)", "a simulated cohort")])
    if problem := _not_simulated(cfg) or _too_wide(cfg):
        raise IntakeError([problem])
    return Study(scans=planned_scans(cfg["simulate"], paths), unfit={}, maps_only={}, records=[], flow=None)


def _not_simulated(cfg: dict) -> Problem | None:
    """Why a simulated cohort cannot be dealt into folds, or its sites be harmonised, as it is asked for."""
    asked, sites = dealing(cfg), cfg["simulate"]["sites"]
    scheme, combat = asked.get("scheme", STRATIFIED), asked.get("combat")
    if scheme == GROUPED or (scheme != STRATIFIED and not sites):
        line = to_type("folds.scheme", STRATIFIED)
        lacking = "no families" if sites else "neither sites (simulate.sites) nor families"
        return Problem("config, folds.scheme", f"{STRATIFIED}, as this simulated cohort has {lacking}: {line}", scheme)
    if combat and not sites:
        expected = f"{NONE}, as this simulated cohort has no sites (simulate.sites): --config harmonisation={NONE}"
        return Problem("config, harmonisation", expected, COMBAT)
    if not (combat or scheme != STRATIFIED):
        return None
    people = participants(cohort(Simulate(**cfg["simulate"])))
    try:
        params = Folds(scheme=scheme, folds=asked["folds"], seed=asked["seed"])
        folds = make_folds(people.assign(label=(people["group"] == ILL).astype(int)), params)
        if combat:
            plan(folds, Combat(**combat))
    except ValueError as error:
        return of_message("config, simulate.sites", str(error).removeprefix("folds: "))
    return None


def _too_wide(cfg: dict) -> Problem | None:
    """Why the voxels of a site do not suit the background removal."""
    sizes_mm = voxel_sizes_mm(cfg["simulate"])
    places = {site: f"config, simulate{f'.sites.{site}' if site else ''}.voxel_size_mm" for site in sizes_mm}
    wide = (sphere_problem(places[site], size, cfg["local_field"]) for site, size in sizes_mm.items())
    return next(filter(None, wide), None)


def own_study(
    cfg: dict,
    paths: Paths,
    bids_dir: Path,
    chi_echoes: Callable[[int], Sequence[int]],
    workers: int,
    first_look: bool,
    refused: dict[str, list[Problem]],
) -> Study:
    """Check the user's dataset, write the check's table, and keep what can be used.

    Parameters
    ----------
    cfg : the whole configuration
    paths : Paths
    bids_dir : folder of the dataset
    chi_echoes : number of echoes → those that susceptibility is computed from
    workers : threads that read images
    first_look : False in the processes that a running workflow starts: these trust the check and write nothing
    refused : problems by subject that became no part of the dataset, see `from_dicom`

    Raises
    ------
    CheckError
        With the whole table, where `on_error` does not allow to go on.
    """
    own = [Path(folder) for folder in user_datasets(cfg["derivatives"], bids_dir).values()]
    derivatives, select = own if cfg["derivatives"] else None, Select.of(cfg["select"])
    cache, prepare = Path(paths.root, "check"), PrepareEchoes(**cfg["prepare_echoes"])
    taken = take_in(bids_dir, derivatives, prepare, cache, workers, trust=not first_look, select=select)
    of_run = {name: found for name, found in refused.items() if not name or select.takes_subject(name)}
    taken = checked_size(with_problems(taken, of_run), cfg["local_field"])
    scans, left_out = exclude(taken)
    ratings = read_ratings(cfg["ratings"], {*scans, *left_out}, select)
    bad = {name: why for name, why in failed(ratings).items() if name in scans}
    out = rated_out(scans, bad)
    subjects = sorted({scan.subject for scan in scans.values()})
    table = enrol(bids_dir / "participants.tsv", subjects, cfg["participants"], **dealing(cfg), rated_out=out)
    table = of_subjects(table, select.takes_subject)
    column = cfg["participants"]["site_column"]
    broken = broken_sessions(bids_dir, subjects, column) if first_look else {}
    told = with_notes(replace(table, maps_only=table.maps_only | out), {s: _lost(one) for s, one in broken.items()})
    known = [scan for scan in scans.values() if scan.subject not in broken]
    sites = sites_of_scans(bids_dir, known, column) if told.has_sites and first_look else {}  # for notes
    records = in_study(taken, told, sites, chi_echoes, cfg["on_error"])
    if cfg["locate_nuclei"]["method"] == "none":
        records = [replace(one, facts=one.facts | {"nuclei": "none"}) if one.facts else one for one in records]
    if first_look:
        write_all(records, Path(paths.root), cfg["dataset"])
        if must_stop(taken, cfg["on_error"]):
            raise CheckError(text(records))
        for name, reasons in left_out.items():
            print(f"left out: {name}: {'; '.join(reasons)}", file=sys.stderr)
    return Study(
        scans=scans,
        unfit=table.problems,
        maps_only=table.maps_only,
        records=records,
        flow=flow(_group_names(table, cfg["participants"]), scans, left_out, not_diagnosed(table), bad),
        ratings=ratings,
    )


def _lost(broken: Problem) -> str:
    """The note on a table of sessions that tells no site."""
    return f"{broken}; `maps` and the diagnosis go without it, `repeatability`, `predict` and `validate` stop"


def dealing(cfg: Mapping) -> dict:
    """Section `folds` and `combat`, what participants.tsv must allow; of a trained run: a subject of each group."""
    return {"folds": 1} if cfg["model"] else cfg["folds"] | {"combat": harmonised_anywhere(cfg)}


def harmonised_anywhere(cfg: Mapping) -> dict | None:
    """Section `combat` of the first run that harmonises, the main one or a variant."""
    changed = (merged(dict(cfg), cfg["variants"][name]) for name in cfg["runs"]["variants"])
    return next((combat for run in (cfg, *changed) if (combat := harmonised(run))), None)


def harmonised(cfg: Mapping) -> dict | None:
    """Section `combat` where it counts."""
    return cfg["combat"] if cfg["harmonisation"] == COMBAT else None


def _group_names(table: Enrolment, settings: dict) -> dict[str, str]:
    """Name of the group by subject; a label that belongs to neither group names itself."""
    groups = Participants(**settings).groups
    names = {label: group.name for group in groups for label in group.labels}
    return {subject: names.get(label, label) for subject, label in table.labels.items()}


def own_data(
    cfg: dict,
    paths: Paths,
    bids_dir: Path,
    chi_echoes: Callable[[int], Sequence[int]],
    workers: int,
    first_look: bool,
) -> Study:
    """The user's data as `own_study` finds them, converted first where they are DICOM; ValueError for two sources."""
    if cfg["bids_dir"] and cfg["dicom_dir"]:
        raise ValueError("config: expected bids_dir or dicom_dir, found both")
    refused = {}
    if cfg["dicom_dir"]:  # in a dry run too: there is nothing else to plan from
        refused = from_dicom(Path(cfg["dicom_dir"]), bids_dir) if first_look else refused_before(bids_dir)
    return own_study(cfg, paths, bids_dir, chi_echoes, workers, first_look, refused)


def from_dicom(dicom_dir: Path, bids_dir: Path) -> dict[str, list[Problem]]:
    """Convert the subjects of a DICOM folder that `bids_dir` does not hold yet or that have changed.

    Returns
    -------
    dict
        Problems by subject (`sub-01`); of a subject that was converted before, too, which then must not be used.
    """
    from recon.intake.dicom.convert import convert, vanished  # what reads DICOM is loaded where there is some

    try:
        gone = vanished(dicom_dir, bids_dir)
        for conversion in gone:
            _tell(conversion)
        done = [*gone, *convert(dicom_dir, bids_dir, _tell, digest(code(CONVERSION)))]
    except IntakeError as error:
        return {"": list(error.problems)}
    refused = {conversion.subject: list(conversion.problems) for conversion in done if conversion.problems}
    if refused or (bids_dir / REFUSED).is_file():
        plain = {name: [problem.as_dict() for problem in problems] for name, problems in refused.items()}
        write_json(bids_dir / REFUSED, plain)
    return refused


def refused_before(bids_dir: Path) -> dict[str, list[Problem]]:
    """What `from_dicom` returned in the process that a user started, for the jobs of its run."""
    file = bids_dir / REFUSED
    found = read_json(file) if file.is_file() else {}
    return {name: [Problem(**problem) for problem in problems] for name, problems in found.items()}


def _tell(conversion: "Conversion") -> None:
    if conversion.note or not conversion.already_there:
        print(f"dicom: {conversion}", file=sys.stderr, flush=True)
