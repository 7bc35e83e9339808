"""Which labels a nucleus has in the label maps."""

from recon.regions.nuclei import nucleus_names
from recon.regions.shapes import LABELS, PARTS, WHOLE


def labels_of_nuclei() -> dict[str, list[int]]:
    """Nucleus of the ellipsoids → its labels, left and right, then those of its parts."""
    whole_of = {label: PARTS.get(name, name) for label, (name, _) in LABELS.items()}
    return {name: [label for label, of in whole_of.items() if of == name] for name in nucleus_names()}


def nucleus_of_parts() -> dict[int, int]:
    """Label of a part → that of its nucleus."""
    return dict(WHOLE)
