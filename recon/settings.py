"""The two arms of the reconstruction: the paper's, and one after the consensus recommendations."""


def arm(config: dict) -> dict:
    """The configuration of the arm that `pipeline` names.

    The sections hold the paper's values; for `pipeline: consensus` the values under `consensus` replace those of the
    sections of the same name.

    References
    ----------
    .. [1] QSM Consensus Organization Committee, MRM 91:1834 (2024), doi:10.1002/mrm.30006
    """
    if config["pipeline"] == "paper":
        return config
    replaced = {section: config[section] | values for section, values in config["consensus"].items()}
    return config | replaced
