"""The shipped configuration: the defaults of every stage, and the two arms of the reconstruction."""

from functools import cache
from typing import Any

import yaml

from recon.files.home import HOME


@cache
def shipped() -> dict[str, Any]:
    """The content of config/config.yaml, not to be written to."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((HOME / "config/config.yaml").read_text(encoding="utf-8"), Loader=loader)


def defaults(section: str) -> dict[str, Any]:
    """Values of one section, a new dictionary; signatures take their defaults from it, so that each is written once."""
    return dict(shipped()[section])


def arm(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the arm that `pipeline` names.

    The sections hold the paper's values; for `pipeline: consensus` the values under `consensus` replace those of the
    sections of the same name. Where no nuclei shall be located, none are, in either arm.

    References
    ----------
    .. [1] QSM Consensus Organization Committee, MRM 91:1834 (2024), doi:10.1002/mrm.30006
    """
    if config["pipeline"] == "paper":
        return config
    replaced = {section: config[section] | values for section, values in config["consensus"].items()}
    if config["locate_nuclei"]["method"] == "none":
        replaced.pop("locate_nuclei", None)
    return config | replaced
