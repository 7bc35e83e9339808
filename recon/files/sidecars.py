"""What the sidecar of a map says of its origin."""

from recon.acquisition import Acquisition


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
