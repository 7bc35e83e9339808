"""The image files of one multi-echo series → Series, ordered by echo time and checked; no voxel is read."""

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from recon.files.nifti_header import Header
from recon.intake.facts import (
    TE_ROUNDING_S,
    Told,
    disagreements,
    echo_time_problems,
    echo_times,
    of_both_parts,
    optional_problems,
    read_sidecars,
    stated_b0_dir,
)  # fmt: skip
from recon.intake.headers import checked_header, grid_problems, orientation_problems
from recon.intake.kinds import CORRECTED_ALONE, REWORKED_PART, corrected_alone, reworked
from recon.intake.layout import MOST_ECHOES, layout
from recon.intake.main_field import field_strength, main_field_problems
from recon.intake.proof import pair_problems
from recon.intake.scan import Image, Series
from recon.problems import IntakeError, Problem


class Echo(NamedTuple):
    """Both parts of one echo at its echo time [s], with what their headers say."""

    te_s: float
    images: tuple[Image, Image]
    facts: dict


def series_of(files: Iterable[str], sidecars: Iterable[str]) -> Series:
    """Order and check the images of one series.

    Parameters
    ----------
    files : NIfTI files named by BIDS: `part-` mag and phase or real and imag; several echoes as a 3-D image each with
        `echo-`, or as one 4-D image, whose EchoTime is then a list, with or without `echo-`
    sidecars : JSON files that may apply to them, by inheritance

    Returns
    -------
    Series
        Its facts always have `MagneticFieldStrength` [T], where need be from ImagingFrequency, and the echo's own
        `EchoTime` [s].

    Raises
    ------
    IntakeError
        With every problem that was found; the same problem of several images once.
    """
    (parts, pairs), problems = layout(files)
    images = [image for pair in pairs.values() for image in pair]
    told, read, unread = read_sidecars(images, sidecars)
    headers, broken = _headers(images)
    told_by = {image.path: image for image in told}
    if unread:  # what else is missing may stand there
        raise IntakeError(condensed([*problems, *unread, *broken]))
    problems += [*broken, *_header_problems(images, headers, told_by), *disagreements(told)]
    echoes: list[Echo] = []
    for number, (first, second) in pairs.items():
        problems += pair_problems(told_by[first], told_by[second], parts[1], alone=len(pairs) == 1)
        one_of_several = number is not None and len(pairs) > 1
        found, wrong = _echoes(one_of_several, (told_by[first], told_by[second]), headers)
        echoes += found
        problems += wrong
    problems += _order_problems(echoes)
    if problems or not echoes:
        raise IntakeError(condensed(problems) or [Problem("a series", "image files", "none")])
    return _ordered(parts, echoes, read)


def _ordered(parts: tuple[str, str], echoes: list[Echo], sidecars: tuple[str, ...]) -> Series:
    echoes = sorted(echoes, key=lambda echo: echo.te_s)
    first, second = zip(*(echo.images for echo in echoes), strict=True)
    return Series(
        parts=parts,
        images=(first, second),
        te_s=tuple(echo.te_s for echo in echoes),
        facts=tuple(echo.facts for echo in echoes),
        sidecars=sidecars,
    )


def _headers(images: Iterable[str]) -> tuple[dict[str, Header], list[Problem]]:
    """The readable headers by file, and what is wrong with the others."""
    headers: dict[str, Header] = {}
    problems: list[Problem] = []
    for image in images:
        try:
            headers[image] = checked_header(image)
        except IntakeError as error:
            problems += error.problems
    return headers, problems


def _header_problems(images: list[str], headers: dict[str, Header], told_by: dict[str, Told]) -> list[Problem]:
    """Problems of orientation, and of grids that are not the first readable image's."""
    readable = [headers[image] for image in images if image in headers]
    oriented = [p for h in readable for p in orientation_problems(h, stated_b0_dir(told_by[h.path].facts))]
    return oriented + [p for header in readable[1:] for p in grid_problems(header, readable[0])]


def _echoes(
    one_of_several: bool, pair: tuple[Told, Told], headers: dict[str, Header]
) -> tuple[list[Echo], list[Problem]]:
    """The echoes of a pair of files; none where their times are wrong.

    A pair that is one of several holds one echo. A single pair may be 4-D, be its name without an echo or, as the
    validator of BIDS wants it, with one.
    """
    known = [headers[image.path] for image in pair if image.path in headers]
    count = 1 if one_of_several else next((header.volumes for header in known), None)
    facts = of_both_parts(pair[0].facts, pair[1].facts)
    problems = [
        *(p for header in known for p in _volume_problems(one_of_several, header, known[0])),
        *main_field_problems(pair[1].path, facts),
        *optional_problems(pair[1].path, facts),
    ]
    wrong = _time_problems(pair, count)
    if wrong or count is None:
        return [], problems + wrong
    facts["MagneticFieldStrength"] = field_strength(facts)
    if alone := corrected_alone(told.facts for told in pair):
        facts[CORRECTED_ALONE] = alone
    if said := reworked(*(told.facts for told in pair)):
        facts[REWORKED_PART] = said
    echoes = [
        Echo(te_s, (_image(pair[0], headers, i), _image(pair[1], headers, i)), facts | {"EchoTime": te_s})
        for i, te_s in enumerate(echo_times(facts["EchoTime"]))
    ]
    return echoes, problems


def _image(of: Told, headers: dict[str, Header], volume: int) -> Image:
    header = headers.get(of.path)
    return Image(of.path, volume if header is not None and len(header.shape) == 4 else None)


def _volume_problems(one_of_several: bool, header: Header, partner: Header) -> list[Problem]:
    """Problems of a fourth axis that the names exclude, or that the other part does not have."""
    if one_of_several and header.volumes > 1:
        return [Problem(header.path, "a 3-D image, as its name has an echo-", f"shape {header.shape}")]
    if not one_of_several and header.volumes != partner.volumes:
        expected = f"as many volumes as {partner.path}, {partner.volumes}"
        return [Problem(header.path, expected, f"{header.volumes} (shape {header.shape})")]
    return []


def _time_problems(pair: tuple[Told, Told], count: int | None) -> list[Problem]:
    """Problems of EchoTime, which either part or both may tell; none where the number of volumes is unknown."""
    if count is None:
        return []
    tellers = [image for image in pair if "EchoTime" in image.facts] or [pair[1]]
    problems = [p for image in tellers for p in echo_time_problems(image.path, image.facts.get("EchoTime"), count)]
    if problems or len(tellers) == 1:
        return problems
    one, other = (echo_times(image.facts["EchoTime"]) for image in pair)
    if all(abs(a - b) <= TE_ROUNDING_S for a, b in zip(one, other, strict=True)):
        return []
    return [Problem(pair[1].path, f"the EchoTime of {pair[0].path}, {one} s", f"{other} s")]


def _order_problems(echoes: Sequence[Echo]) -> list[Problem]:
    """Problems of echo times that do not ascend with the echo number or the volume."""
    problems = []
    for before, after in pairwise(echoes):
        if after.te_s - before.te_s <= TE_ROUNDING_S:
            expected = f"an EchoTime beyond {before.te_s:g} s, that of the echo before ({before.images[1].path})"
            problems.append(Problem(after.images[1].path, expected, f"{after.te_s:g} s"))
    if len(echoes) > MOST_ECHOES:
        folder = os.path.dirname(echoes[0].images[0].path)
        problems.append(Problem(folder, f"at most {MOST_ECHOES} echoes in a series", str(len(echoes))))
    return problems


def condensed(problems: Iterable[Problem]) -> list[Problem]:
    """The same problem of several files once: it names two, and of more the first and their number."""
    files: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        files.setdefault((problem.expected, problem.found), []).append(problem.file)
    return [Problem(_together(where), expected, found) for (expected, found), where in files.items()]


def _together(files: list[str]) -> str:
    return " and ".join(files) if len(files) < 3 else f"{files[0]} (and {len(files) - 1} more)"
