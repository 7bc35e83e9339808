"""Simulation settings → the images of every echo of one subject, as a vendor writes them, and the true maps behind."""

from recon.files.io import write_mask, write_stored, write_volume
from recon.intake.vendors import VENDORS
from recon.phantom import bids
from recon.phantom.anatomy import anatomy, in_field
from recon.phantom.cohort import Simulate, at_site, subject_by_label
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import acquire
from recon.phantom.vendor import encode
from workflow.lib.jobs.job import job


def main(images: list[str], subject: str, cfg: dict, **truth: str) -> None:
    cohort = Simulate(**cfg)
    person = subject_by_label(cohort, subject)
    settings = at_site(cohort, person.site)
    vendor = VENDORS[settings.vendor]
    head = in_field(anatomy(person, settings.voxel_size_mm, settings.b0_tilt_deg), settings.b0_tesla)
    grid = head.grid
    geometry = grid.voxel_size_mm, grid.b0_dir
    total_ppm = shim(head_field(head.chi_ppm, head.brain, *geometry), head.brain, head.affine)
    local_ppm = forward_field(head.chi_ppm * head.brain, *geometry)

    echoes = acquire(head, total_ppm, settings, person.rng(3))
    paths, sidecars = iter(images), [bids.sidecars(settings, vendor, part, person.site) for part in vendor.parts]
    for signal, *of_parts in zip(echoes, *sidecars, strict=True):
        for part, sidecar in zip(vendor.parts, of_parts, strict=True):
            stored = vendor.pixels(part)
            pixels = encode(signal, vendor, part)
            write_stored(next(paths), pixels, head.affine, stored.slope, stored.intercept, sidecar)

    inside = head.pd > 0  # air has no relaxation time
    maps = {"chi": (head.chi_ppm, "ppm"), "r2star": (head.r2star_hz, "1/s"), "t1": (head.t1_s * inside, "s")}
    maps |= {"total_field": (total_ppm, "ppm"), "local_field": (local_ppm, "ppm")}
    for name, (data, unit) in maps.items():
        write_volume(truth[name], data, grid, {"Units": unit, "SkullStripped": False})
    write_mask(truth["brain_mask"], head.brain, grid, {"Type": "Brain", "SkullStripped": False})
    write_volume(truth["nuclei"], head.nuclei, grid, {"SkullStripped": False})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.output, subject=snakemake.wildcards.scan.removeprefix("sub-"), cfg=snakemake.params.cfg)
