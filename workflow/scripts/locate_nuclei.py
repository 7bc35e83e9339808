"""T1-weighted image, brain mask and maps → nuclei (or the user's), basal-ganglia box, statistics per region."""

import numpy as np

from recon.acquisition import Acquisition
from recon.files.bids import derivative_uri
from recon.files.io import read_mask, read_volume, write_mask, write_volume
from recon.files.tables import write_table
from recon.problems import to_type
from recon.regions.coverage import coverage_mm
from recon.regions.deformation import SHAPE
from recon.regions.localize import (
    LocateNuclei,
    box_around,
    box_mask,
    read_boxes,
    region_statistics,
    white_matter,
)
from recon.regions.locate import locate
from recon.regions.to_template import SPACE, displacement_volume
from recon.regions.user_maps import user_labels
from workflow.lib.jobs.job import job
from workflow.lib.record.derivative import ON_THE_GRID

NO_BRAIN = (
    "registration to the template of adults found no brain ({found}), so no nuclei were placed; for infants, phantoms, "
    "animals and ex vivo {line}"
)


def main(
    t1w: str, mask: str, acquisition: str, chi: str, dseg: str, box: str, stats: str, scan: str, cfg: dict,
    r2star: str | None = None, t2star: str | None = None, s0: str | None = None, region: str | None = None,
    user_nuclei: str | None = None, user: str | None = None, white: str | None = None, displacement: str | None = None,
) -> None:  # fmt: skip
    """`user`: BIDS URI of `user_nuclei`; the registration still finds `white` matter. `region`: of the reference."""
    params, image, brain = LocateNuclei(**cfg), read_volume(t1w), read_mask(mask)
    files = {"chi_ppm": (chi, 1), "r2star_hz": (r2star, 1), "t2star_ms": (t2star, 1000), "s0": (s0, 1)}
    maps = {quantity: read_volume(path).data * factor for quantity, (path, factor) in files.items() if path}
    found = locate(
        maps["chi_ppm"], brain, image.affine, t1w=image.data, r2star=maps.get("r2star_hz"), method=params.method
    )
    fit = found.registration
    about = {"SkullStripped": True, "Sources": [derivative_uri(t1w)], "Registration": found.summary()}
    if not fit.plausible:
        about |= {"Note": NO_BRAIN.format(line=to_type("locate_nuclei.method", "none"), found=fit.found())}
    if displacement:
        bent = found.deformation.displacement_mm if found.deformation else np.zeros((3, *SHAPE), np.float32)
        field = displacement_volume(bent)
        write_volume(displacement, field.data, field, {"Units": "mm", "SpatialReference": SPACE})
    core, labels = np.zeros(brain.shape, bool), found.labels
    if fit.plausible:
        core = white_matter(brain, image.affine, fit.subject_to_mni)
    if white:
        write_mask(white, core, image, {"Type": "ROI", "Description": "Core of white matter", **ON_THE_GRID, **about})
    if user_nuclei:
        labels = user_labels(user_nuclei, image)
        about |= {"Tool": "user", "Sources": [user]}
    bounds = read_boxes(params.boxes).box_of(scan, brain.shape) if params.boxes else None
    source = "nuclei" if bounds is None else "expert"
    if bounds is None and labels.any():
        bounds = box_around(labels, params.box_holds, params.margin_mm, image.voxel_size_mm)
    bounds = bounds or (slice(0, 0),) * 3  # of nothing, which the networks refuse
    write_volume(dseg, labels, image, about)
    sides = [[side.start, side.stop] for side in bounds]
    write_mask(box, box_mask(brain.shape, bounds), image, {"Type": "ROI", "BoxSource": source, "Box": sides, **about})
    covered_mm = coverage_mm(brain, Acquisition.read(acquisition).grid)
    reference = read_mask(region) if region else None
    write_table(stats, region_statistics(labels, core, maps, image.voxel_size_mm, covered_mm, reference))


if __name__ == "__main__":
    with job(snakemake):
        params, scan = snakemake.params, snakemake.wildcards.scan
        main(**snakemake.input, **snakemake.output, scan=scan, cfg=params.cfg, user=params.user)
