"""The user's settings that change nothing: refused where another value stands in their place, else told of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from recon.intake.scan import POLAR, Scan
from recon.problems import IntakeError, Problem, config_line
from recon.settings import shipped
from workflow.lib.home import HOME
from workflow.lib.setup.command_line import with_words
from workflow.lib.setup.variants import LEARNING, folder, merged
from workflow.lib.study.participants import read_participants

Place = tuple[str, ...]  # of a setting: its section, its key, the key in that …
Given = Mapping[Place, object]  # the user's settings by place
SWITCHES = {"consensus": "pipeline", "quantitative": "preprocessing"}  # section of values that replace → its switch
METHODS = ("r2star_map", "unwrap_phase", "local_field", "dipole_inversion")  # sections of stages with several
ECHOES = ("brain_mask.echo", "unwrap_phase.trim_echo", "combine_echoes.first_echo", "combine_echoes.last_echo")
ABSENT = object()
AUGMENTATION = "train_image_model.augmentation"
DRAWN = {  # limit of a random change → its probability
    "brightness_limit": "brightness_contrast",
    "contrast_limit": "brightness_contrast",
    "gamma_range": "gamma",
    "grid_steps": "grid_distortion",
    "grid_limit": "grid_distortion",
    "shift_limit": "shift_scale_rotate",
    "scale_limit": "shift_scale_rotate",
    "rotate_limit_deg": "shift_scale_rotate",
    "noise_sd": "noise",
}


class Only(NamedTuple):
    """Where a setting counts: whether it does in the settings of a run, and in words; `place` is what decides."""

    holds: Callable[[Mapping], bool]
    said: str
    place: str = ""


def where(place: str, *values: object) -> Only:
    """Where another setting has one of some values."""
    said = f"{place} is {' or '.join(map(_as_yaml, values))}"
    return Only(lambda settings: _at(settings, tuple(place.split("."))) in values, said, place)


def unless(place: str, value: object) -> Only:
    """Where another setting has any value but one."""
    other = where(place, value)
    return Only(lambda settings: not other.holds(settings), f"{place} is not {_as_yaml(value)}", place)


def holding(channel: str) -> Only:
    """Where the networks see an image."""
    return Only(lambda settings: channel in settings["normalise"]["channels"], f"normalise.channels holds {channel}")


def conditions() -> dict[str, list[Only]]:
    """What must be so for a setting, or a section but for the setting that decides, to count."""
    located, window = unless("locate_nuclei.method", "none"), where("normalise.method", "window")
    own = Only(lambda settings: bool(settings["bids_dir"] or settings["dicom_dir"]), "bids_dir or dicom_dir is given")
    simulated = Only(lambda settings: not own.holds(settings), "neither bids_dir nor dicom_dir is given")
    trimmed, separate = unless("unwrap_phase.trim_coherence", 0), where("field_mapping.echoes", "separate")
    windows = {"QSM": "qsm_window_ppm", "R2star": "r2star_window_hz", "T1w": "t1w_percentiles"}
    trained_inside = Only(
        lambda settings: (stage := settings["train_scan_model"])["features"] == "out_of_fold" or bool(stage["choices"]),
        "train_scan_model.features is out_of_fold or train_scan_model.choices names some",
    )
    return {
        "simulate": [simulated],
        "derivatives": [own],
        "on_error": [own],
        "consensus": [where("pipeline", "consensus")],
        "quantitative": [where("preprocessing", "quantitative")],
        "combat": [where("harmonisation", "combat")],
        "participants.positive_label": [where("participants.positive_labels", [])],
        "participants.negative_label": [where("participants.negative_labels", [])],
        "participants.family_column": [where("folds.scheme", "grouped")],
        "unwrap_phase.trim_echo": [trimmed],
        "unwrap_phase.trim_r2star_hz": [trimmed],
        "field_mapping.offset_smoothing_mm": [where("field_mapping.offset", "smooth")],
        "dipole_inversion.structure_r2star_hz": [where("dipole_inversion.structure", "r2star_or_chi")],
        **{f"combine_echoes.{key}": [separate] for key in ("first_echo", "last_echo", "power")},
        "swi_map": [where("swi_map.make", True)],
        "group_maps": [where("group_maps.make", True)],
        "group_maps.make": [located],
        "locate_nuclei": [located],
        "locate_nuclei.box_holds": [where("locate_nuclei.boxes", None)],
        "normalise.stretch_percentiles": [where("normalise.method", "stretch")],
        **{f"normalise.{key}": [window, holding(channel)] for channel, key in windows.items()},
        **{f"{AUGMENTATION}.{key}": [unless(f"{AUGMENTATION}.{chance}", 0)] for key, chance in DRAWN.items()},
        "pretrain": [simulated],
        "train_scan_model.inner_folds": [trained_inside],
        "train_scan_model.copies": [where("train_scan_model.features", "augmented")],
    }


def conditions_of_methods() -> dict[str, list[Only]]:
    """The same of the stages that have several methods: a setting counts where a method reads it."""
    from recon.pipeline import STAGES  # with SciPy: slow to import, and most runs do without

    read_by = {
        f"{section}.{key}": [name for name in STAGES[section].methods if key in STAGES[section].parameters(name)]
        for section in METHODS
        for key in shipped()[section]
    }
    return {name: [where(f"{name.split('.')[0]}.method", *methods)] for name, methods in read_by.items() if methods}


def given_by_user(config: Mapping, files: Iterable[str | Path], words: Iterable[str]) -> Given:
    """The settings that the user gave: named on the command line, or other than the project's own files have them.

    Parameters
    ----------
    config : as the user's command means it
    files : of `--configfile`; those that the project ships are no words of the user's
    words : `KEY=VALUE` of `--config`
    """
    overlays = [Path(file) for file in files if Path(file).resolve().parent == HOME / "config"]
    own = reduce(merged, (yaml.safe_load(file.read_text(encoding="utf-8")) or {} for file in overlays), shipped())
    known, named = dict(_leaves(own)), {place for place, _ in _leaves(with_words({}, words))}
    return {place: value for place, value in _leaves(config) if place in named or known.get(place, ABSENT) != value}


def overruled(given: Given, config: Mapping, runs: Mapping[str, Mapping]) -> list[Problem]:
    """A problem of each setting that no run has as it was given, since another section holds its own value.

    Where that value was given as well, each arm has its own.

    Parameters
    ----------
    given : see `given_by_user`
    config : as it was given
    runs : settings of the main run and of the variants, by folder
    """
    return [
        _overruled(place, value, section, _at(config[section], place))
        for place, value in given.items()
        for section in SWITCHES
        if (section, *place) not in given
        and _at(config[section], place) is not ABSENT
        and all(_at(settings, place) != value for settings in runs.values())
    ]


def _overruled(place: Place, value: object, section: str, instead: object) -> Problem:
    line = reduce(lambda inner, key: {key: inner}, reversed(place), value)
    chosen = f"`{SWITCHES[section]}: {section}`"
    return Problem(
        ".".join(place),
        f"for {chosen} {config_line(f'{section}={_as_yaml(line)}')}",
        f"{_as_yaml(value)}, where the section `{section}` says {_as_yaml(instead)}: it has no effect "
        f"(if it is for another `{SWITCHES[section]}`, leave it out here)",
    )


def changes_in_vain(config: Mapping) -> list[Problem]:
    """A problem of each section that a variant changes and takes from the main run all the same."""
    sections = ((name, section) for name in config["runs"]["variants"] for section in config["variants"][name])
    return [
        Problem(
            f"variants.{name}.{section}",
            f"changes of the learning ({', '.join(LEARNING)})",
            f"{section}, which all variants share with the main run: a run of another `dataset` may have its own",
        )
        for name, section in sections
        if section not in LEARNING
    ]


def unread(given: Given, runs: Mapping[str, Mapping]) -> list[str]:
    """A note on each setting that was given and that no run reads.

    Parameters
    ----------
    given, runs : see `overruled`
    """
    asked, settings = [conditions()], runs.values()
    if any(section in METHODS for place in given for section in place[:2]):
        asked.append(conditions_of_methods())
    notes = []
    for place, value in given.items():
        known = [only for name in _names(place) for found in asked for only in found.get(name, ())]
        idle = [only.said for only in known if only.place not in _names(place) and not any(map(only.holds, settings))]
        if place[0] == "variants" and folder(place[1]) not in runs:
            idle = [f"runs.variants names {place[1]}"]
        if idle:
            notes.append(f"{'.'.join(place)}: {_as_yaml(value)} has no effect: it counts where {idle[0]}")
    return [*notes, *_of_the_primary_test(runs)]


def unread_in(given: Given, scans: Collection[Scan]) -> list[str]:
    """A note on each setting that was given and that these scans, of one number of echoes, do not allow to count."""
    echoes = min((len(scan.series.te_s) for scan in scans), default=0)
    idle = {
        "brain_mask": (all(scan.mask for scan in scans), "every scan has a mask of yours, which is used as it is"),
        "t1w_map": (all(scan.t1w for scan in scans), "every scan has a T1w image of yours, which is used as it is"),
        "prepare_echoes.phase_range": (
            all(scan.series.parts != POLAR for scan in scans),
            "real and imaginary parts tell the phase whatever their unit",
        ),
        "r2star_map": (echoes == 1, "one echo has no R2*"),
    }
    told = [
        (place, value, why)
        for place, value in given.items()
        for name in _names(place)
        if name in idle
        for so, why in [idle[name]]
        if so
    ]
    beyond = [
        (place, value, f"the scans have {echoes} echoes, of which the last is taken")
        for place, value in given.items()
        if set(ECHOES) & set(_names(place)) and isinstance(value, int) and value > echoes
    ]
    return [f"{'.'.join(place)}: {_as_yaml(value)} has no effect: {why}" for place, value, why in (*told, *beyond)]


def absent_columns(given: Given, participants: str | Path) -> list[str]:
    """A note on a column of sites that was named and that the participants table, if it can be read, has not."""
    name = given.get(("participants", "site_column"))
    try:
        columns = list(read_participants(participants)) if name and Path(participants).is_file() else [name]
    except IntakeError:  # told by the check
        return []
    if name in columns:
        return []
    found = f"{participants} has no such column, only {', '.join(columns)}"
    return [f"participants.site_column: {name} has no effect: {found}"]


def _of_the_primary_test(runs: Mapping[str, Mapping]) -> list[str]:
    """A note where the one test fixed beforehand compares inputs that the main run does not train."""
    main = next(iter(runs.values()))
    wanted = {row["input"] for row in main["evaluate"]["primary"]} & {"full", "crop"}
    absent = sorted(wanted - set(main["runs"]["inputs"]))
    return [
        f"evaluate.primary: it compares the input {name}, which runs.inputs lacks: there will be no primary test"
        for name in absent
    ]


def _names(place: Place) -> list[str]:
    """What a place is called and lies in: `a`, `a.b` and `a.b.c`; of a section that replaces values, also of these."""
    inside = _names(place[1:]) if place[0] in SWITCHES else []
    return [".".join(place[: end + 1]) for end in range(len(place))] + inside


def _leaves(settings: Mapping, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each value that is no mapping, or an empty one, and its place."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*at, str(key)))
        else:
            yield (*at, str(key)), value


def _at(settings: Any, place: Place) -> Any:
    """The value at a place; ABSENT where there is none."""
    for key in place:
        if not isinstance(settings, Mapping) or key not in settings:
            return ABSENT
        settings = settings[key]
    return settings


def _as_yaml(value: object) -> str:
    """A value as it is typed."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
