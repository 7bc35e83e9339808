"""What a series is, by the words of its header: which part of the signal, or what else a scanner makes of it."""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import NamedTuple

from recon.intake.vendors import GE, SIEMENS, vendor_of
from recon.problems import printable

WORDS = {
    "mag": {"M", "MAGNITUDE"},
    "phase": {"P", "PHASE", "PHASE MAP"},
    "real": {"R", "REAL"},
    "imag": {"I", "IMAGINARY"},
}
PRIVATE_PARTS = ("mag", "phase", "real", "imag")  # by the number in the private tag (0043,102F) of GE
PROJECTED = {"MNIP", "MINIP", "MIP", "PROJECTION IMAGE", "MPR"}  # what was never measured, voxel by voxel
# also said of parts of a signal, by programs that wrote them anew and of what a weighted image is made of
REWORKED = {"SECONDARY", "SWI"}
REWORKED_PART = "ReworkedPart"  # fact of ours: what tells that a part may be reworked
NO_GRADIENT_ECHO = {"IR": "inversion recovery", "SE": "spin echo"}  # a sign or a field of their own is in their phase
SEQUENCES = ("SequenceName", "PulseSequenceName")
PROGRAM = "PulseSequenceDetails"  # of Siemens: `%SiemensSeq%\gre_field_mapping`
FIELD_MAPPING = re.compile("field_?map", re.IGNORECASE)
# Maps of B0 and differences of phases, which a scanner computes from two echoes; words of ImageType less blanks and
# underscores. B0 MAP and B0 are Philips' words, FIELDMAPHZ is what dcm2niix adds to maps in Hz, FIELDMAP and PHASEDIFF
# are the suffixes of BIDS; the others are spellings of the same. Siemens' differences (P, ND) have no word of their
# own: `recon.intake.proof` tells them by their echoes.
FIELD_MAPS = {"B0", "B0MAP", "FIELDMAP", "FIELDMAPHZ", "FREQ", "FREQUENCYMAP"}
DIFFERENCES = {"PHASEDIFF", "PHASEDIFFERENCE", "PDIFF", "DELTAPHASE"}
CORRECTED_ALONE = "CorrectedPart"  # fact of ours: what tells that one of both parts alone was corrected
CORRECTED = {"DIS2D", "DIS3D"}  # for gradient distortion; Siemens calls what is not so ND
MOSAIC = "MOSAIC"  # word of Siemens
OF_FIELD_MAPS = ("Hz", "rad/s", "T")  # units of a field map in BIDS


class Kind(NamedTuple):
    """What a series is instead of the signal of a gradient echo, and the fact that tells so."""

    name: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.name} ({self.evidence})"


def part_of_words(words: Iterable[str]) -> str | None:
    """`mag`, `phase`, `real` or `imag`; None where no word tells, or they contradict each other."""
    spoken = set(words)
    parts = [part for part, own in WORDS.items() if own & spoken]
    return parts[0] if len(parts) == 1 else None


def part_of_private_tag(value: object) -> str | None:
    """The part that GE's private tag tells, whose value is bytes where the file does not say its kind."""
    number = int.from_bytes(value[:2], "little") if isinstance(value, bytes) and value else value
    return PRIVATE_PARTS[number] if isinstance(number, int) and 0 <= number < len(PRIVATE_PARTS) else None


def image_words(facts: Mapping) -> set[str]:
    """Values of ImageType and, where Siemens XA says more, ImageTypeText, in capitals: lists, or texts."""
    told = (facts.get(key, ()) for key in ("ImageType", "ImageTypeText"))
    values = (value.split("\\") if isinstance(value, str) else value for value in told)
    return {str(word).strip().upper() for words in values if isinstance(words, list | tuple) for word in words}


def no_signal(facts: Mapping) -> Kind | None:
    """What an image surely is instead of a part of a gradient echo's signal; None for anything else."""
    return computed(facts) or _other_modality(facts) or _prepared(facts) or _by_words(facts, PROJECTED)


def computed(facts: Mapping) -> Kind | None:
    """What a scanner computed from two echoes or more, so that it is no part of a signal; None for anything else."""
    spoken = {re.sub("[ _]", "", word) for word in image_words(facts)}
    for kind, words in (
        ("a map of B0 that the scanner computed", FIELD_MAPS),
        ("a difference of two phases, as of a field map", DIFFERENCES),
    ):
        if found := words & spoken:
            return Kind(kind, f"ImageType {', '.join(sorted(found))}")
    units = facts.get("Units")
    return Kind("a map of B0", f"Units {units}") if units in OF_FIELD_MAPS else None


def _other_modality(facts: Mapping) -> Kind | None:
    modality = str(facts.get("Modality") or "MR").strip().upper()
    return None if modality == "MR" else Kind("no MR image", f"Modality {printable(modality)}")


def _prepared(facts: Mapping) -> Kind | None:
    """Spin echoes and inversion recovery by ScanningSequence."""
    spoken = words_of(facts.get("ScanningSequence", ""))
    names = {code: name for code, name in NO_GRADIENT_ECHO.items() if code in spoken}
    return Kind(" and ".join(names.values()), f"ScanningSequence {', '.join(names)}") if names else None


def _by_words(facts: Mapping, words: Set[str]) -> Kind | None:
    found = words & image_words(facts)
    return Kind("processed by the scanner", f"ImageType {', '.join(sorted(found))}") if found else None


def processed(facts: Mapping) -> Kind | None:
    """An image that was made of others, or may be; None for anything else."""
    return _by_words(facts, PROJECTED | REWORKED)


def reworked(first: Mapping, second: Mapping) -> str:
    """What tells that magnitude, phase or another part may be reworked; of phase as of SWI its values tell."""
    kind = _by_words(first, REWORKED) or _by_words(second, REWORKED - {"SWI"})
    return kind.evidence if kind else ""


def mosaic(facts: Mapping) -> Kind | None:
    """An image that holds its slices side by side; None for anything else."""
    if MOSAIC not in image_words(facts):
        return None
    name = "a mosaic, whose slices lie side by side in one image (export one slice a file, or enhanced DICOM)"
    return Kind(name, f"ImageType {MOSAIC}")


def _words(*wanted: str) -> Callable[[object], str]:
    """Finds words in a text or a list of texts."""
    return lambda value: ", ".join(sorted(words_of(value) & set(wanted)))


def _matches(pattern: str) -> Callable[[object], str]:
    """Finds what matches, and no more of a text that somebody may have typed."""
    return lambda value: match[0] if (match := re.search(pattern, str(value), re.IGNORECASE)) else ""


# what tells of an echo planar readout: Siemens' sequences are `*epfid2d1_64`, its programs `%CustomerSeq%\mbep2d`, GE's
# sequence `epi`
PLANAR: dict[str, Callable[[object], str]] = {
    "ScanningSequence": _words("EP", "EPI"),
    "PulseSequenceType": _words("EPI", "PLANAR", "ECHOPLANAR"),
    "EchoPlanarPulseSequence": _words("YES", "TRUE"),
    **dict.fromkeys(SEQUENCES, _matches(r"^\*?ep(i|fid|se|[23]d|_b)")),
    PROGRAM: _matches(r"(?<![a-z])(mb)?ep(i|[23]d|fid|_seg)"),
    "EPIFactor": _matches(r"^0*([2-9]|[1-9]\d)\d*"),
}


def echo_planar(facts: Mapping) -> Kind | None:
    """An image of an echo planar readout; None where nothing tells of one."""
    told = ((key, find(facts.get(key, ""))) for key, find in PLANAR.items())
    return next((Kind("echo planar", f"{key} {said}") for key, said in told if said), None)


def unknown_part(facts: Mapping) -> str:
    """Why it is not known what an image holds."""
    if vendor_of(facts) is GE:
        return (
            "neither magnitude, phase, real nor imaginary by its ImageType, and the private tag (0043,102F), by which "
            "GE tells them apart, is missing: an anonymiser may have removed it"
        )
    return "neither magnitude, phase, real nor imaginary by its ImageType"


def of_more_echoes(facts: Mapping) -> Kind | None:
    """What tells that an echo was not acquired alone: Siemens' `*fm2d2r`, or its program of field maps; else None."""
    names = SIEMENS.echoes_in_name if may_be_siemens(facts) else None
    for key in SEQUENCES:
        match = names.search(str(facts.get(key, ""))) if names else None
        if match and int(match[1]) > 1:
            return Kind(f"a pulse sequence of {int(match[1])} echoes", f"{key} {match[0]}")
    match = FIELD_MAPPING.search(str(facts.get(PROGRAM, "")))
    return Kind("the pulse sequence of field maps", f"{PROGRAM} {match[0]}") if match else None


def may_be_siemens(facts: Mapping) -> bool:
    """Whether the manufacturer is Siemens, or untold, as an anonymiser leaves it."""
    return vendor_of(facts) is SIEMENS or "Manufacturer" not in facts


def words_of(value: object) -> set[str]:
    """Words of a text or a list of texts, in capitals."""
    return set(re.findall("[A-Z0-9]+", str(value).upper()))


def distortion_correction(facts: Mapping) -> str:
    """What tells of a correction of gradient distortion; empty where nothing does."""
    for key in ("ImageType", "ImageTypeText"):
        if found := CORRECTED & words_of(facts.get(key, "")):
            return f"{key} {', '.join(sorted(found))}"
    return "NonlinearGradientCorrection true" if facts.get("NonlinearGradientCorrection") is True else ""


def corrected_alone(parts: Iterable[Mapping]) -> str:
    """What tells that one of two parts alone was corrected; empty where both or neither were, or one does not tell."""
    told = [distortion_correction(facts) for facts in parts if "ImageType" in facts]
    return max(told) if len(told) == 2 and bool(told[0]) != bool(told[1]) else ""
