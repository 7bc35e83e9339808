"""The files that a simulated cohort will have, known before it is simulated."""

from workflow.lib.inputs import Scan
from workflow.lib.paths import Paths


def flip_labels(simulate: dict) -> list[str | None]:
    """The `acq` label of each flip angle, ascending; a single flip angle needs none."""
    angles = sorted(simulate["flip_angles_deg"])
    return [f"fa{angle:02.0f}" for angle in angles] if len(angles) > 1 else [None]


def planned_images(simulate: dict, paths: Paths, part: str, labels: list[str | None] | None = None) -> list[str]:
    """Echo images of one part; `{subject}` stays a wildcard."""
    echoes = range(1, len(simulate["te_s"]) + 1)
    return [paths.raw_image(part, echo, acq) for acq in labels or flip_labels(simulate) for echo in echoes]


def planned_sidecars(simulate: dict, paths: Paths) -> list[str]:
    """The sidecars of all echo images."""
    images = [image for part in ("mag", "phase") for image in planned_images(simulate, paths, part)]
    return [image.replace(".nii.gz", ".json") for image in images]


def planned_scans(simulate: dict, paths: Paths) -> dict[str, Scan]:
    """Scans by subject label, as `index` finds them in a dataset that exists."""
    labels = flip_labels(simulate)
    magnitude = planned_images(simulate, paths, "mag", labels[-1:])
    phase = planned_images(simulate, paths, "phase", labels[-1:])
    low_flip = planned_images(simulate, paths, "mag", labels[:1])[0] if len(labels) > 1 else None
    sidecars = [p.replace(".nii.gz", ".json") for p in (*magnitude, *phase, *([low_flip] if low_flip else []))]

    def scan(subject: str) -> Scan:
        fill = lambda patterns: tuple(p.format(subject=subject) for p in patterns)  # noqa: E731
        return Scan(
            magnitude=fill(magnitude),
            phase=fill(phase),
            sidecars=fill(sidecars),
            low_flip=low_flip.format(subject=subject) if low_flip else None,
        )

    return {s: scan(s) for i in range(1, simulate["subjects"] + 1) if (s := f"{i:02d}")}


def least_cohort(simulate: dict, subject: str) -> dict:
    """Settings of the smallest cohort that holds `subject`, so that adding subjects changes no other's settings."""
    number = int(subject)
    return {**simulate, "subjects": number + number % 2}
