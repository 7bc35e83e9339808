"""Names of the images that compare the groups; apart from what makes them, so that reading the rules stays quick."""

from collections.abc import Sequence

KINDS = ("mean_negative", "mean_positive", "difference", "effect", "t", "clusters")  # images of a map


def images_of(folder: str, names: Sequence[str]) -> list[str]:
    """Paths of all images, by map and within it in the order of `KINDS`."""
    return [f"{folder}/{name}_{kind}.nii.gz" for name in names for kind in KINDS]
