"""T1-weighted image, brain mask and maps → nuclei, basal-ganglia box, statistics per nucleus."""

import warnings

from recon.bids import derivative_uri
from recon.io import read_mask, read_volume, write_mask, write_volume
from recon.localize import (
    LocateNuclei,
    basal_ganglia_box,
    box_mask,
    expert_box,
    nuclei_statistics,
    subject_labels,
)
from recon.registration import register
from recon.tables import write_table
from workflow.lib.log import job_log


def main(t1w: str, mask: str, chi: str, r2star: str, dseg: str, box: str, stats: str, subject: str, cfg: dict) -> None:
    params = LocateNuclei(**cfg)
    image, brain = read_volume(t1w), read_mask(mask)
    fit = register(image.data, image.affine, brain)
    if not fit.plausible:
        warnings.warn(f"{t1w}: implausible registration, volume ratio {fit.determinant:.2f}", stacklevel=1)
    labels = subject_labels(brain, image.affine, fit.subject_to_mni)
    region = expert_box(params.boxes, subject, brain.shape) if params.boxes else None
    source = "registration" if region is None else "expert"
    region = region or basal_ganglia_box(labels, params.margin_mm, image.voxel_size_mm)
    quality = {"SkullStripped": True, "Sources": [derivative_uri(t1w)], "Registration": fit.summary()}
    write_volume(dseg, labels, image, quality)
    bounds = [[side.start, side.stop] for side in region]
    sidecar = {"Type": "ROI", "BoxSource": source, "Box": bounds, **quality}
    write_mask(box, box_mask(brain.shape, region), image, sidecar)
    chi_ppm, r2star_hz = read_volume(chi).data, read_volume(r2star).data
    write_table(stats, nuclei_statistics(labels, chi_ppm, r2star_hz, image.voxel_size_mm))


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, **snakemake.wildcards, cfg=snakemake.params.cfg)
