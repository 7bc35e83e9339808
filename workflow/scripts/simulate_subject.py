"""Simulation settings → magnitude and phase of every echo of one subject, and the true maps behind them."""

import numpy as np

from recon.io import write_mask, write_volume
from recon.phantom import bids
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject_by_label
from recon.phantom.field import forward_field, head_field, shim
from recon.phantom.signal import acquire
from workflow.lib.log import job_log


def main(magnitude: list[str], phase: list[str], subject: str, cfg: dict, **truth: str) -> None:
    settings = Simulate(**cfg)
    person = subject_by_label(settings, subject)
    head = anatomy(person, settings.voxel_size_mm, settings.b0_tilt_deg)
    grid = head.grid
    geometry = grid.voxel_size_mm, grid.b0_dir
    total_ppm = shim(head_field(head.chi_ppm, head.brain, *geometry), head.brain, head.affine)
    local_ppm = forward_field(head.chi_ppm * head.brain, *geometry)

    images = zip(magnitude, bids.sidecars(settings, "mag"), phase, bids.sidecars(settings, "phase"), strict=True)
    echoes = acquire(head, total_ppm, settings, person.rng(3))
    for signal, (mag_path, mag_json, phase_path, phase_json) in zip(echoes, images, strict=True):
        write_volume(mag_path, np.rint(np.abs(signal)), grid, mag_json)
        write_volume(phase_path, np.angle(signal), grid, phase_json)

    inside = head.pd > 0  # air has no relaxation time
    maps = {"chi": (head.chi_ppm, "ppm"), "r2star": (head.r2star_hz, "1/s"), "t1": (head.t1_s * inside, "s")}
    maps |= {"total_field": (total_ppm, "ppm"), "local_field": (local_ppm, "ppm")}
    for name, (data, unit) in maps.items():
        write_volume(truth[name], data, grid, {"Units": unit, "SkullStripped": False})
    write_mask(truth["brain_mask"], head.brain, grid, {"Type": "Brain", "SkullStripped": False})
    write_volume(truth["nuclei"], head.nuclei, grid, {"SkullStripped": False})


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.output, subject=snakemake.wildcards.subject, cfg=snakemake.params.cfg)
