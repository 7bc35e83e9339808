"""What the sidecar of a map says of its origin."""

from collections.abc import Sequence

from recon.acquisition import Acquisition


def protocol(acquisition: Acquisition, te_s: Sequence[float]) -> dict:
    """What BIDS recommends to repeat beside a quantitative map (appendix Quantitative MRI), as far as it is known.

    Parameters
    ----------
    acquisition : Acquisition
    te_s : echo times of the images that the map was made from [s]

    Returns
    -------
    dict
        ``MagneticFieldStrength`` [T], ``EchoTime`` [s], an array where there are several, ``FlipAngle`` [degree] and
        ``RepetitionTimeExcitation`` [s].
    """
    times = [float(te) for te in te_s]
    known = {
        "MagneticFieldStrength": acquisition.b0_tesla,
        "EchoTime": times if len(times) > 1 else times[0],
        "FlipAngle": acquisition.flip_angle_deg,
        "RepetitionTimeExcitation": acquisition.tr_s,
    }
    return {key: value for key, value in known.items() if value is not None}


def provenance(acquisition: Acquisition, skull_stripped: bool = True) -> dict:
    """Origin of anything made from the phase, for its sidecar.

    Parameters
    ----------
    acquisition : Acquisition
    skull_stripped : whether only the brain is left

    Returns
    -------
    dict
        ``SkullStripped``; ``Sources``, BIDS URIs of the raw images; ``Intake``, what was decided about their values
        (units, slice chopping, sign …), each with its reason.
    """
    return {
        "SkullStripped": skull_stripped,
        "Sources": list(acquisition.sources),
        "Intake": acquisition.decisions,
    }
