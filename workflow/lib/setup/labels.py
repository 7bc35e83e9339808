"""The labels of the two groups as the rest of a run sees them."""

from functools import cache

import yaml

from workflow.lib.home import HOME
from workflow.lib.study.participants import Participants, label_text


def with_names(settings: dict) -> dict:
    """Settings in which `positive_label` and `negative_label` are the names of the groups, and all labels are text.

    The name of a group whose labels are listed is the list, `HH/C282Y`.

    Raises
    ------
    ValueError
        A single label is given besides the list that replaces it, or labels contradict each other.
    """
    section = settings["participants"]
    groups = dict(zip(("negative", "positive"), Participants(**section).groups, strict=True))
    texts: dict[str, object] = {}
    for side, group in groups.items():
        listed, single = section[f"{side}_labels"], label_text(section[f"{side}_label"])
        if listed and single not in (shipped()[f"{side}_label"], group.name):
            where = f"participants.{side}_label, participants.{side}_labels"
            raise ValueError(f"{where}: expected one of the two, found both, {single} and {', '.join(group.labels)}")
        texts |= {f"{side}_label": group.name, f"{side}_labels": list(group.labels) if listed else []}
    return settings | {"participants": section | texts}


@cache
def shipped() -> dict:
    """Section `participants` of the shipped configuration, whose single labels need no override."""
    return yaml.safe_load((HOME / "config" / "config.yaml").read_text(encoding="utf-8"))["participants"]
