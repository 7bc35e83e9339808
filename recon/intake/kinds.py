"""What a series is, by the words of its header: which part of the signal, or what else a scanner makes of it."""

import re
from collections.abc import Iterable, Mapping

from recon.intake.vendors import GE, SIEMENS, vendor_of
from recon.problems import printable

WORDS = {
    "mag": {"M", "MAGNITUDE"},
    "phase": {"P", "PHASE", "PHASE MAP"},
    "real": {"R", "REAL"},
    "imag": {"I", "IMAGINARY"},
}
PRIVATE_PARTS = ("mag", "phase", "real", "imag")  # by the number in the private tag (0043,102F) of GE
PROCESSED = {"SECONDARY", "SWI", "MNIP", "MINIP", "MIP", "PROJECTION IMAGE", "MPR"}
PREPARED = {"EP": "echo planar", "IR": "inversion recovery", "SE": "spin echo"}
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


def part_of_words(words: Iterable[str]) -> str | None:
    """`mag`, `phase`, `real` or `imag`; None where no word tells, or they contradict each other."""
    spoken = set(words)
    parts = [part for part, own in WORDS.items() if own & spoken]
    return parts[0] if len(parts) == 1 else None


def part_of_private_tag(value: object) -> str | None:
    """The part that GE's private tag tells, whose value is bytes where the file does not say its kind."""
    number = int.from_bytes(value[:2], "little") if isinstance(value, bytes) and value else value
    return PRIVATE_PARTS[number] if isinstance(number, int) and 0 <= number < len(PRIVATE_PARTS) else None


def computed(words: Iterable[str]) -> str | None:
    """What a scanner computed from two echoes or more, so that it is no part of a signal; None for anything else."""
    spoken = {re.sub("[ _]", "", word.upper()) for word in words}
    if spoken & FIELD_MAPS:
        return "a map of B0 that the scanner computed"
    return "a difference of two phases, as of a field map" if spoken & DIFFERENCES else None


def other_kind(facts: Mapping, words: Iterable[str]) -> str | None:
    """What an image is that is none of MR, or holds its slices side by side; None for anything else."""
    modality = str(facts.get("Modality") or "MR")
    if modality != "MR":
        return f"no MR image (Modality {printable(modality)})"
    if MOSAIC in words:
        return "a mosaic, whose slices lie side by side in one image (export one slice a file, or enhanced DICOM)"
    return None


def unknown_part(facts: Mapping) -> str:
    """Why it is not known what an image holds."""
    if vendor_of(facts) is GE:
        return (
            "neither magnitude, phase, real nor imaginary by its ImageType, and the private tag (0043,102F), by which "
            "GE tells them apart, is missing: an anonymiser may have removed it"
        )
    return "neither magnitude, phase, real nor imaginary by its ImageType"


def echoes_of_sequence(name: str, facts: Mapping) -> int | None:
    """Number of echoes that the name of a pulse sequence tells, Siemens' `*fm2d2r`; None where it tells none."""
    match = SIEMENS.echoes_in_name.search(name) if SIEMENS.echoes_in_name and may_be_siemens(facts) else None
    return int(match[1]) if match else None


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
