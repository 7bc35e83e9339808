"""Maps, nuclei and the user's own regions of one scan → statistics of every map in every region."""

import numpy as np

from recon.acquisition import Acquisition
from recon.files.io import read_box, read_json, read_mask, read_volume, sidecar_path
from recon.files.tables import write_table
from recon.maths.boxes import bounding_box
from recon.regions.confidence import confidence
from recon.regions.coverage import THIN_MM, THIN_SLAB, coverage_mm
from recon.regions.shapes import names_in
from recon.regions.statistics import nuclei_regions, own_regions, statistics_table
from recon.regions.user_maps import user_regions
from workflow.lib.jobs.job import job

MS = {"t2star": 1000}  # of a map in seconds; the others are in the units of the table


def main(
    mask: str, acquisition: str, statistics: str, own: list[dict], echoes: list[int], reference: str, chi: str,
    t1w: str, echo_chi: list[str] = (), dseg: str | None = None, white: str | None = None, r2star: str | None = None,
    t2star: str | None = None, s0: str | None = None, t1: str | None = None, pd: str | None = None,
    own_files: list[str] = (),
) -> None:  # fmt: skip
    """`own`: key, image and names of the user's regions, whose files `own_files` lists; `echoes`: of `echo_chi`."""
    files = {"chi": chi, **{f"chi_echo{echo}": path for echo, path in zip(echoes, echo_chi, strict=True)}}
    files |= {"r2star": r2star, "t2star": t2star, "s0": s0, "t1w": t1w, "t1": t1, "pd": pd}
    image, brain = read_volume(chi), read_mask(mask)
    flag = THIN_SLAB if coverage_mm(brain, Acquisition.read(acquisition).grid) < THIN_MM else None
    drawn = [user_regions(region["image"], image, region["names"]) for region in own]
    labels = read_volume(dseg).data.astype(np.uint8) if dseg and white else np.zeros(brain.shape, np.uint8)
    held = brain | (labels > 0)
    for theirs, _ in drawn:
        held |= theirs > 0
    box, regions = bounding_box(held), []
    if dseg and white:
        sure = confidence(labels, image.data, names_in(labels), image.voxel_size_mm).set_index("index")["confidence"]
        by_hand = read_json(sidecar_path(dseg)).get("Tool") == "user"
        regions += nuclei_regions(labels[box], read_box(white, box)[0].data > 0.5, sure.to_dict(), by_hand)
    for region, (theirs, names) in zip(own, drawn, strict=True):
        regions += own_regions(region["key"], theirs[box], names)
    maps = {name: read_box(path, box)[0].data for name, path in files.items() if path}
    maps |= {name: maps[name] * factor for name, factor in MS.items() if name in maps}
    write_table(statistics, statistics_table(regions, maps, image.voxel_size_mm, reference, flag))


if __name__ == "__main__":
    with job(snakemake):
        params = snakemake.params
        main(**snakemake.input, **snakemake.output, own=params.own, echoes=params.echoes, reference=params.reference)
