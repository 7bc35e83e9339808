"""Maps and intermediate images of a scan → its page, images for the viewer, warnings, pictures for the report."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from recon.acquisition import Acquisition
from recon.check.evenness import evenness
from recon.check.facts import GHOST, NUCLEI_CONFIDENCE, REGISTRATION, SNR
from recon.check.measures import ghost, image_measures
from recon.check.overview import (
    Picture,
    Shown,
    decay_images,
    deep_pictures,
    field_image,
    magnitude_image,
    map_images,
    phase_images,
    reference_picture,
    swi_images,
)
from recon.check.phase import phase_quality
from recon.check.quality import Quality, Voids, quality
from recon.check.residual import field_residual
from recon.check.viewer import Frame
from recon.files.atomic import atomic
from recon.files.io import (
    Volume,
    read_box,
    read_json,
    read_mask,
    read_volume,
    sidecar_path,
    write_json,
    write_text,
)
from recon.files.nifti_header import read_header
from recon.files.tables import read_table
from recon.mask.voids import signal_voids
from recon.maths.boxes import bounding_box
from recon.regions.confidence import DOUBTFUL
from recon.regions.shapes import PARTS
from workflow.lib.jobs.job import job
from workflow.lib.report.acquisition_table import acquisition_table
from workflow.lib.report.html import render
from workflow.lib.report.reference import zero_text
from workflow.lib.report.viewer import images_script


def further_images(
    brain: np.ndarray, t2star: str | None, s0: str | None, swi: str | None, min_ip: str | None
) -> list[Shown]:
    """Of maps that a run makes if it is told to."""
    images = decay_images(read_volume(t2star), read_volume(s0), brain) if t2star and s0 else []
    return images + (swi_images(read_volume(swi), read_volume(min_ip), brain) if swi and min_ip else [])


def sidecars_of(images: dict[str, str | None]) -> dict[str, dict]:
    """What the files beside images say, by the name of the image."""
    return {name: read_json(file) for name, path in images.items() if path and (file := sidecar_path(path)).exists()}


def placement(sidecar: dict, table: pd.DataFrame | None) -> dict[str, float]:
    """How well the nuclei were placed: sidecar of their labels, statistics of the nuclei."""
    known = table is not None and "confidence" in table
    sure = float(table.loc[~table["name"].isin(PARTS), "confidence"].median()) if known else np.nan
    return {REGISTRATION: sidecar.get("Registration", {}).get("Correlation", np.nan), NUCLEI_CONFIDENCE: sure}


class EchoFiles(NamedTuple):
    """Images that the maps were made from: (X, Y, Z, echo), the local field and the misfit also (X, Y, Z)."""

    magnitude: str
    phase: str
    unwrapped: str
    local_field: str
    misfit: str | None


def look_at_echoes(
    files: EchoFiles, masks: tuple[np.ndarray, np.ndarray, np.ndarray], chi_ppm: np.ndarray, r2star: Volume | None,
    series: Acquisition, maximum_hz: float, drawn: Callable[[list[Shown]], list[Picture]],
) -> tuple[list[Picture], Quality, dict[str, float], Voids, float]:  # fmt: skip
    """Pictures of the echoes, quality of phase and shading, numbers of the images, voids, residual of the field [ppm].

    The images are read one file after the other, of each what the numbers need: the box of the masks. `masks`: brain,
    where the phase is reliable, and singular voxels; `drawn`: makes the pictures.
    """
    brain, reliable, singular = masks
    te_s, last = series.te_s, len(series.te_s) - 1
    box = bounding_box(brain | reliable | (chi_ppm != 0))
    inside, chi = brain[box], chi_ppm[box]
    strong = min(1, last)
    signal, whole = read_box(files.magnitude, box, [strong])
    ghosts = {GHOST: ghost(whole[strong].data, brain)}
    pictures = drawn([magnitude_image(whole.pop(strong), te_s[strong], brain)])
    voids = Voids.of(signal_voids(signal.data, inside, te_s, series.grid), r2star and r2star.data[box], maximum_hz)
    misfit = read_volume(files.misfit).data[box] if files.misfit else None
    numbers = ghosts | image_measures(signal.data[..., 0], inside, chi, misfit)
    del misfit
    shading = evenness(signal.data[..., 0], inside, series.voxel_size_mm)
    number = last if len(read_header(files.local_field).shape) == 4 else 0
    local, whole = read_box(files.local_field, box, [number])
    separate = local.data.ndim == 4
    pictures += drawn([field_image(whole.pop(number), te_s[last] if separate else None, series.b0_tesla, brain)])
    residual = field_residual(local.data, chi, signal.data, series)
    del local
    ends = list(dict.fromkeys((0, last)))
    for echo in ends:
        wrapped, unwrapped = (read_volume(path, echo) for path in (files.phase, files.unwrapped))
        pictures += drawn(phase_images(wrapped, unwrapped, te_s[echo], brain))
        del wrapped, unwrapped  # before the boxes are read
    phase, smooth = (read_box(path, box)[0] for path in (files.phase, files.unwrapped))
    seen = phase.data, smooth.data, signal.data, reliable[box], singular[box], te_s, series.voxel_size_mm
    return pictures, phase_quality(*seen, snr=numbers[SNR]).before(shading), numbers, voids, residual


def main(
    magnitude: str, phase: str, unwrapped: str, reliable: str, singular: str, local_field: str,
    acquisition: str, mask: str, chi: str, t1w: str,
    page: str, warnings: str, images: str, chi_picture: str, t1w_picture: str,
    scan: str, synthetic: bool, maximum_hz: float, age_years: float | None = None,
    r2star: str | None = None, r2star_picture: str | None = None, t2star: str | None = None, s0: str | None = None,
    region: str | None = None, dseg: str | None = None, box: str | None = None, stats: str | None = None,
    misfit: str | None = None, swi: str | None = None, min_ip: str | None = None,
) -> None:  # fmt: skip
    """`maximum_hz`: ceiling of R2*; `region`: mask of the reference; without `dseg`, `box` and `stats` nuclei were
    not to be located."""
    brain, chi_map, decay = read_mask(mask), read_volume(chi), read_volume(r2star) if r2star else None
    facts, series = read_json(acquisition), Acquisition.read(acquisition)
    table = read_table(stats) if stats else None
    frame, layers = Frame.about(brain, chi_map.affine), []

    def drawn(images: list[Shown]) -> list[Picture]:
        """Pictures of images that the viewer gets as well; the images themselves need not be kept."""
        layers.extend(frame.layer(image) for image in images)
        return [image.picture(brain) for image in images]

    maps = map_images(chi_map, decay, read_volume(t1w), brain)
    pictures, slices = drawn(maps), [image.lightbox(brain) for image in maps]
    del maps
    for path, picture in zip(filter(None, (chi_picture, r2star_picture, t1w_picture)), pictures, strict=True):
        with atomic(path) as part:
            part.write_bytes(picture.png)
    pictures += drawn(further_images(brain, t2star, s0, swi, min_ip))
    nuclei = read_volume(dseg).data.astype(np.uint8) if dseg else np.zeros(brain.shape, np.uint8)
    regions = {"Brain mask": brain, "Nuclei": nuclei} | ({"Box": read_mask(box)} if nuclei.any() else {})
    made = {"Brain mask": mask, "Chimap": chi, "R2starmap": r2star, "T2starmap": t2star, "S0map": s0, "T1w": t1w}
    sidecars = sidecars_of({**made, "SWI": swi, "Nuclei": dseg, "Reference": region})
    zero = zero_text(sidecars.get("Chimap", {}))
    if region:
        regions["Reference"] = read_mask(region)
        pictures.append(reference_picture(chi_map, regions["Reference"], zero, brain))
    pictures += deep_pictures(chi_map, nuclei, regions["Box"], brain) if nuclei.any() else []
    files = EchoFiles(magnitude, phase, unwrapped, local_field, misfit)
    masks = brain, read_mask(reliable), read_volume(singular).data > 0  # there may be no singular voxel
    echoes, of_echoes, of_images, voids, residual = look_at_echoes(
        files, masks, chi_map.data, decay, series, maximum_hz, drawn
    )
    groups = {"Maps": pictures, "Echoes, before and after unwrapping": echoes, "Slice by slice": slices}
    write_text(images, images_script(frame.views(layers, regions)))
    told = {"age_years": age_years, "phase_sign": facts.get("decisions", {}).get("SignFactor")}
    of_maps = quality(brain, series.voxel_size_mm, chi_map.data, table, voids=voids, residual_ppm=residual, **told)
    measured, found, broken, notes = of_echoes.before(of_maps)
    measured |= of_images
    measured |= placement(sidecars.get("Nuclei", {}), table)
    found += facts.get("decisions", {}).get("Notes", [])
    found += [f"{name}: {sidecar['Note']}" for name, sidecar in sidecars.items() if "Note" in sidecar]
    numbers = {name: value if np.isfinite(value).all() else None for name, value in measured.items()}
    write_json(warnings, {"scan": scan, "warnings": found, "broken": len(broken), "facts": numbers})
    render(
        "subject.html.j2",
        page,
        scan=scan,
        synthetic=synthetic,
        broken=broken,
        warnings=found[len(broken) :],
        pictures=groups,
        zero=zero,
        stats=table,
        least_confidence=DOUBTFUL,
        facts=measured,
        notes=notes,
        inputs=acquisition_table(facts, chi_map.affine),
        sidecars=sidecars,
    )


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        main(
            **snakemake.input,
            **snakemake.output,
            **snakemake.wildcards,
            synthetic=params.synthetic,
            maximum_hz=params.maximum_hz,
            age_years=params.age_years,
        )
