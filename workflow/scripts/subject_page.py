"""Maps and intermediate images of a scan → a self-contained HTML page, its warnings, pictures for the report."""

import numpy as np

from recon.acquisition import Acquisition
from recon.check.measures import REGISTRATION, image_measures
from recon.check.overview import (
    decay_pictures,
    deep_pictures,
    echo_pictures,
    map_pictures,
    reference_picture,
)
from recon.check.phase import phase_quality
from recon.check.quality import Voids, quality
from recon.check.residual import field_residual
from recon.files.atomic import atomic
from recon.files.io import read_json, read_mask, read_volume, sidecar_path, write_json
from recon.files.tables import read_table
from recon.mask.voids import signal_voids
from recon.regions.confidence import DOUBTFUL
from workflow.lib.jobs.job import job
from workflow.lib.report.acquisition_table import acquisition_table
from workflow.lib.report.html import render
from workflow.lib.report.reference import zero_text


def main(
    magnitude: str, phase: str, unwrapped: str, reliable: str, singular: str, local_field: str,
    acquisition: str, mask: str, chi: str, t1w: str,
    page: str, warnings: str, chi_picture: str, t1w_picture: str,
    scan: str, synthetic: bool, maximum_hz: float, age_years: float | None = None,
    r2star: str | None = None, r2star_picture: str | None = None, t2star: str | None = None, s0: str | None = None,
    region: str | None = None, dseg: str | None = None, box: str | None = None, stats: str | None = None,
    misfit: str | None = None,
) -> None:  # fmt: skip
    """`maximum_hz`: ceiling of R2*; `region`: mask of the reference; without `dseg`, `box` and `stats` nuclei were
    not to be located."""
    brain, chi_map, decay = read_mask(mask), read_volume(chi), read_volume(r2star) if r2star else None
    facts, series = read_json(acquisition), Acquisition.read(acquisition)
    table = read_table(stats) if stats else None
    maps = map_pictures(chi_map, decay, read_volume(t1w), brain)
    for path, picture in zip(filter(None, (chi_picture, r2star_picture, t1w_picture)), maps, strict=True):
        with atomic(path) as part:
            part.write_bytes(picture.png)
    decays = decay_pictures(read_volume(t2star), read_volume(s0), brain) if t2star and s0 else []
    echoes = [read_volume(path) for path in (magnitude, phase, unwrapped, local_field)]
    nuclei = read_volume(dseg).data.astype(int) if dseg else np.zeros(brain.shape, int)
    deep = deep_pictures(chi_map, nuclei, read_mask(box), brain) if nuclei.any() else []
    made = {"Brain mask": mask, "Chimap": chi, "R2starmap": r2star, "T2starmap": t2star, "S0map": s0, "T1w": t1w}
    made |= {"Nuclei": dseg, "Reference": region}
    sidecars = {name: read_json(file) for name, path in made.items() if path and (file := sidecar_path(path)).exists()}
    zero = zero_text(sidecars.get("Chimap", {}))
    decays += [reference_picture(chi_map, read_mask(region), zero, brain)] if region else []
    signal, phase_rad, unwrapped_rad, local_ppm = (echo.data for echo in echoes)
    voids = Voids.of(signal_voids(signal, brain, series.te_s, series.grid), decay and decay.data, maximum_hz)
    of_maps = quality(
        brain,
        series.voxel_size_mm,
        chi_map.data,
        table,
        voids=voids,
        residual_ppm=field_residual(local_ppm, chi_map.data, signal, series),
        age_years=age_years,
    )
    masks = read_mask(reliable), read_volume(singular).data > 0  # there may be no singular voxel
    of_phase = phase_quality(phase_rad, unwrapped_rad, signal, *masks, series.te_s, series.voxel_size_mm)
    measured, found, broken, notes = of_phase.before(of_maps)
    measured |= image_measures(signal[..., 0], brain, chi_map.data, read_volume(misfit).data if misfit else None)
    measured |= {REGISTRATION: sidecars.get("Nuclei", {}).get("Registration", {}).get("Correlation", np.nan)}
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
        pictures=[*maps, *decays, *deep, *echo_pictures(*echoes, facts["te_s"], brain)],
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
