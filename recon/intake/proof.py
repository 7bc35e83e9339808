"""Whether the two parts of an echo prove to be of one echo of one acquisition, and uncompressed: told by sidecars."""

from collections.abc import Iterable, Mapping

from recon.intake.facts import TE_ROUNDING_S, Told, is_number, shown
from recon.intake.kinds import no_signal, of_more_echoes
from recon.problems import Problem

SAME_TIME_S = 1.0  # of both parts of one acquisition; two runs lie further apart than that
LEAP_MINUTE_S = 61.0
LOSSY_FLAG = "01"  # LossyImageCompression (0028,2110)


def acquisition_time_s(facts: Mapping) -> float | None:
    """AcquisitionTime [s] since midnight, as dcm2niix writes it; None where it is not told.

    Midnight itself is what anonymisers write. Of an empty time the converter makes one of the date: 20240115 becomes
    20:24:0115, whose seconds are no seconds.
    """
    try:
        hours, minutes, seconds = str(facts["AcquisitionTime"]).split(":")
        within = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        return None
    return within if within > 0 and float(seconds) < LEAP_MINUTE_S else None


def pair_problems(first: Told, second: Told, part: str, alone: bool) -> list[Problem]:
    """Problems of two parts that are not of one echo of one acquisition, or were compressed with loss.

    Parameters
    ----------
    first, second : magnitude and phase, or real and imaginary
    part : name of the second part
    alone : the scan has no other echo, so that the second may be a difference of phases
    """
    problems = _lossy_problems(first if part == "imag" else None, second) + _kind_problems(first, second)
    times = acquisition_time_s(first.facts), acquisition_time_s(second.facts)
    if times[0] is not None and times[1] is not None and abs(times[0] - times[1]) > SAME_TIME_S:
        found = f"another, {abs(times[0] - times[1]):.0f} s apart: give both parts of one acquisition the same run-"
        problems.append(Problem(second.path, f"the AcquisitionTime of {first.path}: one acquisition", found))
    numbers = first.facts.get("EchoNumber"), second.facts.get("EchoNumber")
    if all(map(is_number, numbers)) and numbers[0] != numbers[1]:
        problems.append(
            Problem(
                second.path,
                f"the EchoNumber of {first.path}, {numbers[0]}",
                f"{shown(numbers[1])}: pair the images of one echo",
            )
        )
    if part == "phase" and alone and (difference := _difference(second.facts)):
        problems.append(Problem(second.path, "the phase of one echo, not of a field map", difference))
    return problems


def _kind_problems(*told: Told) -> list[Problem]:
    """A problem of every image that is surely no part of a gradient echo's signal."""
    return [Problem(of.path, "a gradient echo", str(kind)) for of in told if (kind := no_signal(of.facts))]


def _lossy_problems(*told: Told | None) -> list[Problem]:
    expected = "phase, real and imaginary parts without lossy compression (export them anew without it)"
    return [
        Problem(of.path, expected, f"LossyImageCompression {LOSSY_FLAG}")
        for of in told
        if of is not None and is_lossy(of.facts)
    ]


def is_lossy(facts: Mapping) -> bool:
    """Whether the sidecar tells of a compression that lost information."""
    return facts.get("LossyImageCompression") in (LOSSY_FLAG, 1, True)


def lossy_notes(facts: Iterable[Mapping]) -> tuple[str, ...]:
    """A note on magnitudes that lost information."""
    note = "the magnitude was compressed with loss (LossyImageCompression 01): R2* and the mask may show its blocks"
    return (note,) if any(map(is_lossy, facts)) else ()


def _difference(facts: Mapping) -> str | None:
    """What tells that the phase of a single echo is the difference of two; of many echoes these facts do not tell it.

    `recon.intake.dicom.verify.unproven` asks the same of DICOM headers, which prove more.
    """
    if more := of_more_echoes(facts):
        return (
            f"{more} with a single echo: it may be a difference of phases "
            f"(remove {more.evidence.split()[0]} from its sidecar if it is the phase of one echo)"
        )
    te_s, te_1_s, te_2_s = (facts.get(key) for key in ("EchoTime", "EchoTime1", "EchoTime2"))
    if is_number(te_1_s) and is_number(te_2_s) and is_number(te_s) and abs(te_s - te_2_s) <= TE_ROUNDING_S:
        return (
            f"EchoTime1 {te_1_s:g} s and EchoTime2 {te_2_s:g} s of a single echo: a difference of phases "
            "(remove both from its sidecar if it is the phase of one echo)"
        )
    number = facts.get("EchoNumber")
    if is_number(number) and number > 1:
        return (
            f"EchoNumber {number:g} without the echoes before: it may be a difference of phases "
            "(remove EchoNumber from its sidecar if it is the phase of one echo)"
        )
    return None
