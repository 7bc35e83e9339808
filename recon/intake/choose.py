"""Which series of a run is meant where there are several: one, two flip angles, or the user's choice."""

import re
from collections.abc import Iterable, Sequence

from recon.files.bids import canonical, entities
from recon.intake.candidates import SERIES
from recon.intake.layout import PARTS
from recon.intake.scan import CARTESIAN, POLAR
from recon.problems import Problem, config_line

OF_FLIP_ANGLES = {"acq", "flip"}  # by which two series may differ that T1 is computed from; else they are no pair
EXPECTED = "one series of echoes or two flip angles"
Labels = tuple[str | None, ...]  # of SERIES
# rec- labels of a correction of the intensity alone, which leaves phase as it is: BIDS names `norm` (ImageType NORM,
# prescan normalise of Siemens) as its example; PURE is that of GE, CLEAR that of Philips
OF_INTENSITY = re.compile("(pre|prescan)?norm(ali[sz]ed?)?|pure|clear", re.IGNORECASE)


def by_series(images: Iterable[str]) -> dict[Labels, list[str]]:
    """The images of each series of a run."""
    groups: dict[Labels, list[str]] = {}
    for image in images:
        names = canonical(entities(image))
        groups.setdefault(tuple(names.get(key) for key in SERIES), []).append(image)
    return groups


def paired(groups: dict[Labels, list[str]]) -> tuple[dict[Labels, list[str]], list[str]]:
    """The series with normalised magnitudes (`rec-norm`) put beside the phase that lacks the label, and notes on them.

    Only where nothing else can be meant: the magnitudes have no phase under their labels, the phase no magnitude.
    """
    joined, notes = dict(groups), []
    rec = SERIES.index("rec")
    for labels, images in groups.items():
        label, plain = labels[rec], (*labels[:rec], None, *labels[rec + 1 :])
        if label is None or not OF_INTENSITY.fullmatch(label) or plain not in joined:
            continue
        rivals = [other for other in groups if (*other[:rec], None, *other[rec + 1 :]) == plain]
        if len(rivals) == 2 and _parts(images) == ["mag"] and _parts(groups[plain]) == ["phase"]:
            joined[plain] = [*joined.pop(labels), *groups[plain]]
            notes.append(
                f"the magnitude is rec-{label}, the phase has no rec-: taken for one series, as a correction of "
                "the intensity leaves phase as it is"
            )
    return joined, notes


def choice_problems(folder: str, groups: dict[Labels, list[str]]) -> list[Problem]:
    """One problem where the series of a run are neither one nor two flip angles; it says what to choose from."""
    if len(groups) == 1:
        return []
    differing, parts = _differing(groups), {labels: _parts(images) for labels, images in groups.items()}
    halves = [labels for labels in groups if not _complete(parts[labels])]
    if len(groups) == 2 and not halves and set(differing) <= OF_FLIP_ANGLES:
        return []
    told = "; ".join(
        _named(labels, differing) + (f" ({', '.join(parts[labels])} alone)" if labels in halves else "")
        for labels in groups
    )
    expected = EXPECTED
    if halves:
        expected += ", both parts of each under the same " + ", ".join(differing)
    return [Problem(folder, expected, f"{len(groups)}: {told}{choice(groups)}")]


def choice(groups: dict[Labels, list[str]]) -> str:
    """`: choose one, for example --config …`, a series that has both parts; nothing where there is none."""
    whole = [labels for labels, images in groups.items() if _complete(_parts(images))]
    if not whole:
        return ""
    differing = _differing(groups)
    labels = max(whole, key=lambda labels: sum(label is not None for label in _of(labels, differing).values()))
    wanted = ", ".join(f"{key}: {label or 'null'}" for key, label in _of(labels, differing).items())
    return f": choose one, for example {config_line(f'select={{{wanted}}}')}"


def _of(labels: Labels, keys: Sequence[str]) -> dict[str, str | None]:
    return {key: label for key, label in zip(SERIES, labels, strict=True) if key in keys}


def _differing(groups: Iterable[Labels]) -> list[str]:
    """The entities in which the series differ."""
    return [key for key, labels in zip(SERIES, zip(*groups, strict=True), strict=True) if len(set(labels)) > 1]


def _named(labels: Labels, differing: Sequence[str]) -> str:
    """`acq-a`, or `no acq`."""
    told = _of(labels, differing)
    return " ".join(f"{key}-{label}" for key, label in told.items() if label) or f"no {' or '.join(told)}"


def _parts(images: Iterable[str]) -> list[str]:
    found = {entities(image).get("part") for image in images}
    return [part for part in PARTS if part in found]


def _complete(parts: Iterable[str]) -> bool:
    return set(parts) >= set(POLAR) or set(parts) >= set(CARTESIAN)
