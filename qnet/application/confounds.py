"""What else than disease told the groups of a training study apart, as its bundle records it."""

from collections.abc import Mapping

NOT_RECORDED = "Site, age, sex and background as confounds of the training: not recorded here; its report tells them."


def confounds_of(bundle: Mapping) -> list[str]:
    """What else than disease told the groups of the training study apart, in sentences; or that nobody recorded it."""
    if (flags := bundle.get("confounds")) is None:
        return [NOT_RECORDED]
    return [f"Of the training study: {flag}" for flag in flags]
