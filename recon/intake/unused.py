"""What of a user's files is not used for a scan, and why: notes for the check."""

import os
from collections.abc import Container, Iterable, Iterator
from itertools import filterfalse

from recon.files.bids import canonical, entities
from recon.intake.derivatives import (
    IMAGES,
    KINDS,
    Offered,
    in_subject_folder,
    is_called_lesion,
    is_called_mask,
    is_image,
    of_another,
    of_visit,
)
from recon.problems import as_yaml, config_line

MOST = 3  # files that are listed
NAMES = {  # by field of Scan
    "mask": "desc-brain_mask",
    "nuclei": "desc-nuclei_dseg",
    "t1w": "T1w",
    "b1": "TB1map",
    "regions": "label-lesion_mask",
}


def left_aside(scan: dict[str, str | None], offered: Offered) -> Iterator[str]:
    """A note for each dataset of another pipeline that offers something for the visit."""
    for dataset, files in offered.aside.items():
        if any(of_visit(entities(file), scan) for file in files):
            folders = {"".join(filter(str.isalnum, d.name)): str(d) for d in (dataset, *offered.datasets.taken)}
            named = ", ".join(f"{as_yaml(label)}: {as_yaml(folder)}" for label, folder in folders.items())
            yield (
                f"{dataset} was made by {offered.datasets.aside[dataset]} (GeneratedBy) and is left aside; to use its "
                f"masks, labels and images, name it: {config_line(f'derivatives={{{named}}}')}"
            )


def unused(name: str, scan: dict[str, str | None], offered: Offered, echo: str, told: Container[str]) -> Iterator[str]:
    """A note on files that look like the user's own, of each kind that is not `told` already, and on any of regions."""
    anat = os.path.dirname(echo)
    raw = [os.path.join(anat, file) for file in sorted(os.listdir(anat)) if is_image(file)]
    called = [*offered.masks, *offered.astray, *filter(is_called_mask, raw)]
    found = {
        "mask": [*filterfalse(is_called_lesion, called), *_of_kind("mask", offered.files)],
        "nuclei": _of_kind("nuclei", offered.files),
        "t1w": _of_kind("t1w", offered.files),
        "b1": [*_of_kind("b1", offered.files), *offered.raw_b1],
        "regions": [*filter(is_called_lesion, called), *_of_kind("regions", offered.files)],
    }
    for kind in (kind for kind in found if kind == "regions" or kind not in told):  # of regions there may be several
        where = dict.fromkeys(offered.astray, "in {}, where none is looked for") | dict.fromkeys(
            raw, "among the raw images"
        )
        reasons = {file: _why_not(file, scan, kind, where.get(file, "")) for file in found[kind]}
        listed = [f"{os.path.basename(file)} ({why})" for file, why in reasons.items() if why]
        if listed:
            more = f" and {len(listed) - MOST} more" if len(listed) > MOST else ""
            wanted = name_of_own(name, kind)
            yield f"not used: {', '.join(listed[:MOST])}{more}; where it is meant for this scan, name it {wanted}"


def name_of_own(name: str, kind: str) -> str:
    """The name under which a user's own file of a kind is taken for the scan `name`."""
    folder = "/".join(label for label in name.split("_") if label.startswith(("sub-", "ses-")))
    return f"derivatives/NAME/{folder}/anat/{name}_{NAMES[kind]}.nii.gz"


def _of_kind(kind: str, files: Iterable[str]) -> list[str]:
    return [file for file in files if KINDS[kind](entities(file))]


def _why_not(file: str, scan: dict[str, str | None], kind: str, where: str) -> str:
    """Why a file is not taken for a scan, `where` that lies outside; nothing where it is another visit's or run's."""
    names, own = canonical(entities(file)), canonical({key: label for key, label in scan.items() if label})
    said = names.get
    if of_another(names, scan):
        return ""
    if not file.endswith(IMAGES):
        return f"no NIfTI file, {' or '.join(IMAGES)}"
    if where:
        return f"it lies {where.format(os.path.dirname(file))}"
    if not KINDS[kind](names):
        what = "lesion" if kind == "regions" else "brain"
        return f"neither desc-{what}_mask nor label-{what}_mask in its name"
    if "space" in names:
        return f"space-{names['space']} in its name: it lies in another space"
    for key in ("sub", "ses", "run", "acq"):
        if said(key) != own.get(key) and (said(key) or key in ("sub", "ses")):
            whose = "series'" if key == "acq" else "scan's"
            return (
                f"{key}-{entities(file)[key]} in its name is not the {whose}"
                if said(key)
                else f"no {key}-{own[key]} in its name"
            )
    return "" if in_subject_folder(file) else f"it lies outside of {os.path.basename(file).split('_')[0]}/"
