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
KINDS = 8  # of names that are listed
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
        names = _entities(image)
        return all(_fits(names, SHORT.get(entity, entity), wanted) for entity, wanted in self.filters.items())

    @property
    def asked(self) -> str:
        """What sessions and filters ask of a name: `ses-1 or ses-2, run-1, no rec`; empty where they ask nothing."""
        wishes: dict[str, Wanted | list[Wanted]] = {"ses": [*self.sessions]} if self.sessions else {}
        wishes |= {SHORT.get(entity, entity): wanted for entity, wanted in self.filters.items()}
        return ", ".join(" or ".join(_shown(key, one) for one in _choices(wanted)) for key, wanted in wishes.items())

    def found(self, images: Iterable[str | Path]) -> str:
        """What names have instead, `run-02; run-03`: the kinds of them in the entities that `asked` is about."""
        keys = [*(["ses"] if self.sessions else []), *(SHORT.get(entity, entity) for entity in self.filters)]
        named = map(_entities, images)
        kinds = [", ".join(_shown(key, names.get(key)) for key in dict.fromkeys(keys)) for names in named]
        several = list(dict.fromkeys(kinds))
        more = f" and {len(several) - KINDS} more" if len(several) > KINDS else ""
        return "; ".join(several[:KINDS]) + more

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


def _entities(image: str | Path) -> dict[str, str]:
    """The entities of an image's name, and the kind of folder that it lies in."""
    return entities(image) | {"datatype": Path(image).parent.name}


def _choices(wanted: Wanted | list[Wanted]) -> list[Wanted]:
    return wanted if isinstance(wanted, list) else [wanted]


def _label(key: str, wanted: Wanted) -> str | None:
    """A wanted label as names have it, with or without `run-`; None where the entity must not be there."""
    if wanted in (None, "null"):  # --config gives null as text
        return None
    return SWITCH[wanted] if isinstance(wanted, bool) else _plain(str(wanted), key)


def _shown(key: str, wanted: Wanted) -> str:
    """`run-1`, or `no run`."""
    label = _label(key, wanted)
    return f"no {key}" if label is None else f"{key}-{label}"


def _fits(names: Mapping[str, str], key: str, wanted: Wanted | list[Wanted]) -> bool:
    """Whether a label is the wanted one or one of several; numbers compare as numbers, so that 1 is 01."""
    return any(_same(names.get(key), _label(key, choice)) for choice in _choices(wanted))


def _same(found: str | None, label: str | None) -> bool:
    if found and label and found.isdecimal() and label.isdecimal():
        return int(found) == int(label)
    return found == label


def _unknown(
    bids_dir: Path, section: str, key: str, wanted: Collection[str], found: Iterable[str]
) -> Iterable[Problem]:
    known = sorted(_plain_all(found, key))
    for label in sorted(_plain_all(wanted, key) - set(known)):
        line = to_type(f"select.{section}", f"[{as_yaml(known[0])}]") if known else ""
        found = f"{', '.join(f'{key}-{label}' for label in known)} (for example {line})" if known else "none"
        yield Problem(str(bids_dir), f"{key}-{label} (config select.{section})", found)
