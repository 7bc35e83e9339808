"""What methods need. The rules ask whenever they are parsed, so this imports nothing that computes."""

from collections.abc import Callable, Mapping

from recon.registry import NOTHING, Settings, always, look_up

STRUCTURES = {"r2star_or_chi": True, "chi": False}  # whether R2* counts
PRIORS = {"tissue": True, "none": False}  # whether magnitude shows edges that cost nothing
LEAST_ECHOES = {"irls": 2, "arlo": 3}  # of `r2star_map.method`


def _of_structure(settings: Settings) -> frozenset[str]:
    """R2*, where it counts."""
    counts = look_up(STRUCTURES, settings["structure"], "dipole_inversion.structure")
    return frozenset({"r2star_hz"} if counts else ())


def _of_prior(settings: Settings) -> frozenset[str]:
    """The precision of the field, and magnitude where the prior reads it."""
    shown = look_up(PRIORS, settings["tv_prior"], "dipole_inversion.tv_prior")
    return frozenset({"precision", "magnitude"} if shown else {"precision"})


# by section of the config and method; a method that is not here reads none
NEEDS: Mapping[str, Mapping[str, Callable[[Settings], frozenset[str]]]] = {
    "unwrap_phase": {"weighted": always("magnitude")},
    "local_field": {"lbv_sources": always("magnitude")},
    "dipole_inversion": {"iterative_tkd": _of_structure}
    | dict.fromkeys(("tv", "unrolled", "deepqsm", "qsmnet"), _of_prior),
}


def needs_of(section: str, settings: Settings) -> frozenset[str]:
    """Optional inputs that the method of a section reads."""
    return NEEDS[section].get(settings["method"], NOTHING)(settings)
