"""Maps and intermediate images of a scan → its page, images for the viewer, warnings, pictures for the report."""

import numpy as np
import pandas as pd

from recon.acquisition import Acquisition
from recon.check.measures import NUCLEI_CONFIDENCE, REGISTRATION, SNR, image_measures
from recon.check.overview import (
    Shown,
    decay_images,
    deep_pictures,
    echo_images,
    map_images,
    reference_picture,
    swi_images,
)
from recon.check.phase import phase_quality
from recon.check.quality import Voids, quality
from recon.check.residual import field_residual
from recon.check.viewer import views
from recon.files.atomic import atomic
from recon.files.io import read_json, read_mask, read_volume, sidecar_path, write_json, write_text
from recon.files.tables import read_table
from recon.mask.voids import signal_voids
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
    maps = map_images(chi_map, decay, read_volume(t1w), brain)
    pictures = [image.picture(brain) for image in maps]
    for path, picture in zip(filter(None, (chi_picture, r2star_picture, t1w_picture)), pictures, strict=True):
        with atomic(path) as part:
            part.write_bytes(picture.png)
    further = further_images(brain, t2star, s0, swi, min_ip)
    echoes = [read_volume(path) for path in (magnitude, phase, unwrapped, local_field)]
    made_from = echo_images(*echoes, series.te_s, series.b0_tesla, brain)
    nuclei = read_volume(dseg).data.astype(int) if dseg else np.zeros(brain.shape, int)
    regions = {"Brain mask": brain, "Nuclei": nuclei} | ({"Box": read_mask(box)} if nuclei.any() else {})
    pictures += [image.picture(brain) for image in further]
    made = {"Brain mask": mask, "Chimap": chi, "R2starmap": r2star, "T2starmap": t2star, "S0map": s0, "T1w": t1w}
    sidecars = sidecars_of({**made, "SWI": swi, "Nuclei": dseg, "Reference": region})
    zero = zero_text(sidecars.get("Chimap", {}))
    if region:
        regions["Reference"] = read_mask(region)
        pictures.append(reference_picture(chi_map, regions["Reference"], zero, brain))
    pictures += deep_pictures(chi_map, nuclei, regions["Box"], brain) if nuclei.any() else []
    groups = {
        "Maps": pictures,
        "Echoes, before and after unwrapping": [image.picture(brain) for image in made_from],
        "Slice by slice": [image.lightbox(brain) for image in maps],
    }
    write_text(images, images_script(views([*maps, *further, *made_from], brain, regions)))
    signal, phase_rad, unwrapped_rad, local_ppm = (echo.data for echo in echoes)
    voids = Voids.of(signal_voids(signal, brain, series.te_s, series.grid), decay and decay.data, maximum_hz)
    residual = field_residual(local_ppm, chi_map.data, signal, series)
    told = {"age_years": age_years, "phase_sign": facts.get("decisions", {}).get("SignFactor")}
    of_maps = quality(brain, series.voxel_size_mm, chi_map.data, table, voids=voids, residual_ppm=residual, **told)
    masks = read_mask(reliable), read_volume(singular).data > 0  # there may be no singular voxel
    of_images = image_measures(signal[..., 0], brain, chi_map.data, read_volume(misfit).data if misfit else None)
    seen = phase_rad, unwrapped_rad, signal, *masks, series.te_s, series.voxel_size_mm
    measured, found, broken, notes = phase_quality(*seen, snr=of_images[SNR]).before(of_maps)
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
