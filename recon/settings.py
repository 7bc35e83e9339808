"""The shipped configuration: the defaults of every stage, and the two arms of the reconstruction."""

from functools import cache
from typing import Any

import yaml

from recon.files.home import HOME
from recon.problems import Problem


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


def overruled(config: dict[str, Any]) -> list[Problem]:
    """A problem of each value that was changed and has no effect: the section `consensus` holds another.

    Values that are as shipped were not given. Where that of `consensus` was changed as well, each arm has its own.
    """
    if config["pipeline"] == "paper":
        return []
    used = arm(config)
    given = [
        (section, key, config[section][key])
        for section, values in config["consensus"].items()
        for key in values
        if config[section][key] not in (used[section][key], shipped()[section][key])
        and values[key] == shipped()["consensus"].get(section, {}).get(key)
    ]
    return [
        Problem(
            f"{section}.{key}",
            f'for `pipeline: consensus` --config "consensus={{{section}: {{{key}: {_as_yaml(value)}}}}}"',
            f"{_as_yaml(value)} in the section of the paper's arm, where `consensus` says "
            f"{_as_yaml(used[section][key])}: it has no effect (if it is for the paper's arm, leave it out here)",
        )
        for section, key, value in given
    ]


def _as_yaml(value: object) -> str:
    """A value as it is typed."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
