"""Susceptibility of every echo → the SNR-weighted, referenced map, and the map of each echo that entered it."""

import numpy as np

from recon.acquisition import Acquisition
from recon.combine import averaged, described, echo_range, on_grid, reference_voxels, zero_of
from recon.files.io import read_mask, read_volume, write_volume
from recon.files.sidecars import provenance
from recon.registry import taken
from workflow.lib.jobs.job import job

UNSURE_PPM = 0.005  # a tenth of what fluid and white matter differ by
UNSURE = "the mean of the reference {name} is uncertain by {ppb:.1f} ppb (standard error), and with it the whole map"
SINGLE_ECHO = "a single echo gives no R2*: the inversion found its structures by susceptibility alone"


def main(
    chi_echoes: str, magnitude: str, eroded: str, acquisition: str, chi: str, echo_chi: list[str], cfg: dict,
    region: str | None = None,
) -> None:  # fmt: skip
    """`region`: mask of the reference, where that is neither the whole brain nor none."""
    facts = Acquisition.read(acquisition)
    echoes, mask = read_volume(chi_echoes), read_mask(eroded)
    values = averaged(echoes.data, read_volume(magnitude).data, mask, facts.te_s, **taken(averaged, cfg))
    voxels = reference_voxels(mask, read_mask(region) if region else None, cfg["reference"])
    reference = described(values, mask, voxels, facts.voxel_size_mm, cfg["reference"])
    combined = on_grid(values - zero_of(values, mask, voxels), mask)
    separate = echoes.data.ndim == 4  # else one field was fitted to all echoes
    used = echo_range(len(facts.te_s), **taken(echo_range, cfg)) if separate else slice(None)
    about = {"Units": "ppm", **provenance(facts)}
    notes = [SINGLE_ECHO] if len(facts.te_s) == 1 else []
    if reference.error_ppm > UNSURE_PPM:
        notes.append(UNSURE.format(name=reference.name, ppb=1000 * reference.error_ppm))
    note = {"Note": "; ".join(notes)} if notes else {}
    write_volume(chi, combined, echoes, {**about, **reference.summary(), "EchoTimes": facts.te_s[used], **note})
    maps = np.moveaxis(echoes.data, 3, 0)[used] if separate else []
    for path, te_s, data in zip(echo_chi, facts.te_s[used], maps, strict=separate):
        write_volume(path, data, echoes, {**about, "Reference": "none", "EchoTime": te_s})


if __name__ == "__main__":
    with job(snakemake):
        output = snakemake.output
        main(**snakemake.input, chi=output.chi, echo_chi=output.get("echo_chi"), cfg=snakemake.params.cfg)
