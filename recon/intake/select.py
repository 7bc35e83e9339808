"""Which part of a dataset a run is about: some participants, some sessions, some images."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon.files.bids import entities
from recon.problems import IntakeError, Problem, as_yaml, to_type

SHORT = {  # the names of entities in PyBIDS and in file names
    "subject": "sub", "session": "ses", "task": "task", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec",
    "run": "run", "echo": "echo", "flip": "flip", "mt": "mt", "part": "part", "suffix": "suffix",
    "datatype": "datatype",
}  # fmt: skip
SWITCH = {True: "on", False: "off"}  # the labels of mt, which YAML takes for true and false
Wanted = str | int | bool | None


@dataclass(frozen=True, kw_only=True)
class Select:
    """Config section `select`.

    Parameters
    ----------
    participants, sessions : labels, with or without `sub-` and `ses-`; none: all
    filters : entity as PyBIDS or as file names call it (`acquisition`, `acq`) → label, list of labels, or None: the
        entity must not be in the name
    """

    participants: Sequence[str]
    sessions: Sequence[str]
    filters: Mapping[str, Wanted | list[Wanted]]

    @classmethod
    def of(cls, settings: Mapping) -> "Select":
        """The section as it is written: an entity beside the fields, as in `{acq: hr}`, is a filter."""
        fields = {key: settings[key] for key in ("participants", "sessions", "filters")}
        beside = {key: wanted for key, wanted in settings.items() if key not in fields}
        return cls(**fields | {"filters": {**fields["filters"], **beside}})

    def takes_subject(self, subject: str) -> bool:
        """Whether `sub-01` is wanted."""
        return not self.participants or _plain(subject, "sub") in _plain_all(self.participants, "sub")

    def takes_session(self, session: str | None) -> bool:
        """Whether `ses-02` is wanted, or what lies outside of sessions (None)."""
        return not self.sessions or (session and _plain(session, "ses")) in _plain_all(self.sessions, "ses")

    def takes_image(self, image: str | Path) -> bool:
        """Whether every filter fits the name of an image."""
        names = entities(image) | {"datatype": Path(image).parent.name}
        return all(_fits(names.get(SHORT.get(entity, entity)), wanted) for entity, wanted in self.filters.items())

    def check(self, bids_dir: Path, subjects: Iterable[str], sessions: Iterable[str]) -> None:
        """IntakeError where a wanted label is not in the dataset; `subjects` and `sessions` are those that are."""
        problems = [
            *_unknown(bids_dir, "participants", "sub", self.participants, subjects),
            *_unknown(bids_dir, "sessions", "ses", self.sessions, sessions),
        ]
        if problems:
            raise IntakeError(problems)


EVERYTHING = Select(participants=[], sessions=[], filters={})


def _plain(label: str, key: str) -> str:
    """`01` of `sub-01`."""
    return label.removeprefix(f"{key}-")


def _plain_all(labels: Iterable[str], key: str) -> set[str]:
    return {_plain(label, key) for label in labels}


def _fits(found: str | None, wanted: Wanted | list[Wanted]) -> bool:
    """Whether a label is the wanted one or one of several; numbers compare as numbers, so that 1 is 01."""
    choices = wanted if isinstance(wanted, list) else [wanted]
    return any(_same(found, choice) for choice in choices)


def _same(found: str | None, wanted: Wanted) -> bool:
    if wanted in (None, "null") or found is None:  # --config gives null as text
        return wanted in (None, "null") and found is None
    if isinstance(wanted, bool):
        return found == SWITCH[wanted]
    if found.isdecimal() and str(wanted).isdecimal():
        return int(found) == int(wanted)
    return found == str(wanted)


def _unknown(
    bids_dir: Path, section: str, key: str, wanted: Collection[str], found: Iterable[str]
) -> Iterable[Problem]:
    known = sorted(_plain_all(found, key))
    for label in sorted(_plain_all(wanted, key) - set(known)):
        line = to_type(f"select.{section}", f"[{as_yaml(known[0])}]") if known else ""
        found = f"{', '.join(f'{key}-{label}' for label in known)} (for example {line})" if known else "none"
        yield Problem(str(bids_dir), f"{key}-{label} (config select.{section})", found)
