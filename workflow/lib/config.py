"""The configuration in an order of its own, so that moving lines of a YAML file re-runs nothing."""


def in_order(config: object) -> object:
    """A copy with the keys of every mapping sorted."""
    if isinstance(config, dict):
        return {key: in_order(config[key]) for key in sorted(config)}
    return [in_order(item) for item in config] if isinstance(config, list) else config
