"""What the rules of a run are made from: its settings, its scans and the paths of its files."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from recon.combine import NONE, WHOLE_BRAIN, echo_range
from recon.files.io import read_json
from recon.files.nifti_header import read_header
from recon.grid import Vector
from recon.intake.scan import Scan
from recon.problems import IntakeError, ProblemError
from recon.regions.nuclei import READ_CHI
from recon.regions.reference import CSF, WHITE_MATTER
from recon.registry import taken
from recon.settings import arm
from workflow.lib.record.derivative import SIMULATED_LICENCE
from workflow.lib.setup.config import check, in_order
from workflow.lib.setup.effect import Given, absent_columns, changes_in_vain, overruled, unread, unread_in
from workflow.lib.setup.labels import with_names
from workflow.lib.setup.paths import Paths, user_datasets
from workflow.lib.setup.results_folder import check_results_folder
from workflow.lib.setup.variants import MAIN, runs
from workflow.lib.study.applied import trained_model
from workflow.lib.study.clock import check_clock
from workflow.lib.study.participants import ages_of
from workflow.lib.study.scans import (
    check_boxes,
    check_coils,
    check_r2star,
    check_reference,
    check_swi,
    diagnosed,
    files_of,
    number_of_echoes,
)
from workflow.lib.study.simulated import planned_sites
from workflow.lib.study.simulated import voxel_size_mm as planned_voxel_size_mm
from workflow.lib.study.sites import sites_of_persons, sites_of_scans
from workflow.lib.study.study import Study, harmonised, own_data, simulated_study


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One run of the workflow, the same in the process that a user starts and in its jobs.

    Parameters
    ----------
    config : as merged from the files and the command line
    runs : folder below qnet/ → complete settings of the main run and of every variant, keys sorted
    study : scans, and who is left out
    n_echoes : echoes of every scan
    model : path and content of the bundle that `model` names; None where nothing is predicted
    """

    config: Mapping[str, Any]
    runs: Mapping[str, dict]
    study: Study
    n_echoes: int
    model: tuple[Path, dict] | None

    @classmethod
    def of(
        cls, config: Mapping[str, Any], *, first_look: bool, cores: int | None = None, given: Given | None = None
    ) -> "Run":
        """Check configuration and data.

        Parameters
        ----------
        config : Snakemake's
        first_look : False in the processes that a running workflow starts: these trust what the first has checked
        cores : that read images; None takes all that this process may use
        given : the settings that the user gave, see `given_by_user`

        Raises
        ------
        ValueError
            Configuration or data cannot be used; the message says what was expected and found.
        """
        settings = settings_of_runs(config, first_look, given or {})
        cfg = settings[MAIN]
        if first_look:
            own = [cfg[key] for key in ("bids_dir", "dicom_dir") if cfg[key]]
            check_results_folder(paths_of(cfg).root, cfg["output_dir"], own)
        study = study_of(cfg, first_look, cores or len(os.sched_getaffinity(0)))
        n_echoes = number_of_echoes(study.scans.values(), bids_dir_of(cfg))
        check_r2star(n_echoes, cfg["r2star_map"]["method"], bids_dir_of(cfg))
        check_coils(n_echoes, cfg["r2star_map"], bids_dir_of(cfg))
        reference, method = cfg["combine_echoes"]["reference"], cfg["locate_nuclei"]["method"]
        drawn = all(scan.nuclei for scan in study.scans.values())
        check_reference(n_echoes, reference, method, bids_dir_of(cfg), drawn)
        if first_look:
            check_boxes(cfg["locate_nuclei"]["boxes"], study.scans.values())
            check_swi(cfg["swi_map"], voxel_sizes_mm(cfg, study.scans))
            table = f"{bids_dir_of(cfg)}/participants.tsv"
            check_clock([table, *(file for scan in study.scans.values() for file in files_of(scan))])
            _tell([*unread_in(given or {}, study.scans.values()), *absent_columns(given or {}, table)])
        return cls(
            config=config, runs=settings, study=study, n_echoes=n_echoes, model=trained_model(cfg, paths_of(cfg).root)
        )

    @property
    def cfg(self) -> dict:
        """Settings of the main run."""
        return self.runs[MAIN]

    @cached_property
    def paths(self) -> Paths:
        """Where files lie."""
        return paths_of(self.cfg)

    @property
    def simulated(self) -> bool:
        """Whether the cohort is simulated."""
        return is_simulated(self.cfg)

    @property
    def scans(self) -> dict[str, Scan]:
        """The scans to reconstruct, by name."""
        return self.study.scans

    @property
    def first_scan(self) -> Scan:
        """The first of them."""
        return next(iter(self.scans.values()))

    @property
    def bids_dir(self) -> str:
        """Folder of the raw dataset."""
        return bids_dir_of(self.cfg)

    @property
    def user_datasets(self) -> dict[str, str]:
        """Folders with masks, labels and T1w images of the user, by the name of the dataset."""
        return user_datasets(self.cfg["derivatives"], self.bids_dir)

    @property
    def datasets(self) -> dict[str, str]:
        """All folders that are read, by the name that BIDS URIs give them; of nested ones the inner comes first."""
        return self.user_datasets | {"raw": self.bids_dir}

    @property
    def participants(self) -> str:
        """The participants table."""
        return f"{self.bids_dir}/participants.tsv"

    @property
    def known_participants(self) -> str | list[str]:
        """The same as the input of a rule that can do without: [] where there is none."""
        return self.participants if self.simulated or Path(self.participants).is_file() else []

    @property
    def folds(self) -> range:
        """Numbers of the folds of the cross-validation."""
        return range(self.cfg["folds"]["folds"])

    @property
    def combat(self) -> dict | None:
        """How sites are harmonised; None where they are not."""
        return harmonised(self.cfg)

    @property
    def inputs(self) -> list[str]:
        """What the networks of the main run see: the full slice, its crop, or both."""
        return self.cfg["runs"]["inputs"]

    @property
    def seeds(self) -> list[int]:
        """Seeds of the main run's repetitions."""
        return self.cfg["runs"]["seeds"]

    @property
    def chi_echoes(self) -> list[int]:
        """Numbers of the echoes that get a susceptibility map of their own, from 1."""
        separate = self.cfg["field_mapping"]["echoes"] == "separate"
        return list(chi_echoes(self.cfg, self.n_echoes)) if separate else []

    @property
    def has_r2star(self) -> bool:
        """Whether there is a second echo, without which R2* has no map."""
        return self.n_echoes > 1

    @property
    def has_nuclei(self) -> bool:
        """Whether nuclei are located, without which there is no diagnosis."""
        return self.cfg["locate_nuclei"]["method"] != "none"

    @property
    def has_reference_region(self) -> bool:
        """Whether the reference is a region that has to be found: neither the whole brain nor none."""
        return self.cfg["combine_echoes"]["reference"] not in (WHOLE_BRAIN, NONE)

    @property
    def reference_reads_chi(self) -> bool:
        """Whether the reference is a nucleus that is placed by a look at susceptibility."""
        nucleus = self.has_reference_region and self.cfg["combine_echoes"]["reference"] not in (CSF, WHITE_MATTER)
        return nucleus and self.cfg["locate_nuclei"]["method"] in READ_CHI

    @cached_property
    def ages(self) -> dict[str, float]:
        """Age of the subjects [years] as far as the participants table of the user tells."""
        known = [] if self.simulated else self.known_participants
        return ages_of(known, self.cfg["participants"]["age_column"]) if known else {}

    @cached_property
    def two_flips(self) -> list[str]:
        """Names of the scans with a second flip angle."""
        return [name for name, scan in self.scans.items() if scan.low_flip]

    @cached_property
    def applied(self) -> list[str]:
        """Names of the scans that a trained run is applied to, one of each subject."""
        return list(self._chosen.values())

    @cached_property
    def diagnosed(self) -> dict[str, str]:
        """Subject → name of the scan that is diagnosed, where the participants table allows it."""
        return {
            subject: name
            for subject, name in self._chosen.items()
            if subject not in self.study.unfit and subject not in self.study.maps_only
        }

    @cached_property
    def _chosen(self) -> dict[str, str]:
        return diagnosed(self.study.fit, self.cfg["participants"]["scan"])

    @cached_property
    def sites(self) -> dict[str, str]:
        """Scan → site, "" where it is unknown, of the subjects with several scans."""
        scans = [self.scans[name] for name in self.repeated]
        return sites_of_scans(self.bids_dir, scans, self.cfg["participants"]["site_column"])

    @cached_property
    def applied_sites(self) -> dict[str, str]:
        """The same of the scans that a trained run is applied to."""
        if self.simulated:
            return planned_sites(self.cfg["simulate"])
        scans = [self.scans[name] for name in self.applied]
        return sites_of_scans(self.bids_dir, scans, self.cfg["participants"]["site_column"])

    @cached_property
    def several_sites(self) -> bool:
        """Whether the diagnosed subjects come from more than one site, as far as the participants table tells."""
        if self.simulated:
            return bool(self.cfg["simulate"]["sites"])
        try:
            sites = sites_of_persons(self.participants, self.cfg["participants"]["site_column"])
        except IntakeError:  # maps need no such table; who needs it says what is wrong
            return False
        return len({sites[subject] for subject in self.diagnosed if subject in sites}) > 1

    @cached_property
    def repeated(self) -> list[str]:
        """Names of the scans of subjects with several sessions or runs."""
        count = Counter(scan.subject for scan in self.scans.values())
        return [name for name, scan in self.scans.items() if count[scan.subject] > 1]

    @property
    def boxes(self) -> list[str]:
        """The table of boxes drawn by hand, if there is one."""
        boxes = self.cfg["locate_nuclei"]["boxes"]
        return [boxes] if boxes else []

    @cached_property
    def links(self) -> dict[str, str]:
        """Where the datasets of the sidecars' Sources lie: `raw` and, if their files are used, the user's."""
        own = Path(self.bids_dir).resolve().as_uri()
        found = {"raw": own if self.cfg["bids_dir"] else f"../../{Path(self.bids_dir).name}"}
        if any(s.mask or s.nuclei or s.t1w or s.b1 or s.regions for s in self.scans.values()):
            found |= {name: Path(folder).resolve().as_uri() for name, folder in self.user_datasets.items()}
        return found

    @cached_property
    def licence(self) -> str | None:
        """Licence of the raw dataset, which maps are given too; None where it names none."""
        if self.simulated:
            return SIMULATED_LICENCE
        try:
            named = read_json(Path(self.bids_dir) / "dataset_description.json").get("License")
        except ProblemError:  # it is no part of the images, and other programs look at it
            return None
        return named if isinstance(named, str) and named.strip() else None


def paths_of(cfg: Mapping[str, Any]) -> Paths:
    """Where the files of a run lie."""
    return Paths(cfg["dataset"], cfg["output_dir"])


def is_simulated(cfg: Mapping[str, Any]) -> bool:
    """Whether a configuration names no data."""
    return cfg["bids_dir"] is None and cfg["dicom_dir"] is None


def bids_dir_of(cfg: Mapping[str, Any]) -> str:
    """Folder of the raw dataset: the user's, what DICOM becomes, or what is simulated."""
    paths = paths_of(cfg)
    return cfg["bids_dir"] or (paths.converted() if cfg["dicom_dir"] else paths.raw("").rstrip("/"))


def settings_of_runs(config: Mapping[str, Any], first_look: bool, given: Given) -> dict[str, dict]:
    """Settings of the main run and of its variants by folder, checked before and after they are put together.

    Of what was `given`, a value that another one overrules is refused, and one that nothing reads is told of.
    """
    try:
        if first_look:
            check(config)
        every = runs(arm(config))
        if first_look and (problems := [*overruled(given, config, every), *changes_in_vain(config)]):
            raise ProblemError(problems)
        found = {place: in_order(with_names(settings)) for place, settings in every.items()}
        if first_look:
            check(*found.values())  # with the values of the other arm, preprocessing and variant in place
    except ValueError as error:
        raise ValueError(f"config: {error}") from None
    if first_look:
        _tell(unread(given, every))
    return found


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"config: {note}", file=sys.stderr)


def study_of(cfg: Mapping[str, Any], first_look: bool, workers: int) -> Study:
    """The data: simulated, or the user's own, converted first where they are DICOM."""
    paths = paths_of(cfg)
    if is_simulated(cfg):
        return simulated_study(cfg, paths)
    return own_data(cfg, paths, Path(bids_dir_of(cfg)), partial(chi_echoes, cfg), workers, first_look)


def voxel_sizes_mm(cfg: Mapping[str, Any], scans: Mapping[str, Scan]) -> dict[str, Vector]:
    """Edges of a voxel of each scan [mm]; none where no image asks for them."""
    if not cfg["swi_map"]["make"]:
        return {}
    if is_simulated(cfg):
        return {name: planned_voxel_size_mm(cfg["simulate"], name) for name in scans}
    return {name: read_header(scan.series.files[0]).voxel_size_mm for name, scan in scans.items()}


def chi_echoes(cfg: Mapping[str, Any], n_echoes: int) -> range:
    """Numbers of the echoes, from 1, that susceptibility is computed from, each alone or all together."""
    every = range(1, n_echoes + 1)
    separate = cfg["field_mapping"]["echoes"] == "separate"
    return every[echo_range(n_echoes, **taken(echo_range, cfg["combine_echoes"]))] if separate else every
