"""Susceptibility of every echo → the SNR-weighted, referenced map, and the map of each echo that entered it."""

import numpy as np

from recon.acquisition import Acquisition
from recon.combine import averaged, described, echo_range, on_grid, reference_voxels, zero_of
from recon.files.io import read_json, read_mask, read_volume, sidecar_path, write_volume
from recon.files.sidecars import protocol, provenance
from recon.inversion.stage import STAGE as INVERSION
from recon.registry import taken
from workflow.lib.jobs.job import job
from workflow.lib.record.references import estimation_of

UNSURE_PPM = 0.005  # a tenth of what fluid and white matter differ by
UNSURE = "the mean of the reference {name} is uncertain by {ppb:.1f} ppb (standard error), and with it the whole map"
SINGLE_ECHO = "a single echo gives no R2*: the inversion found its structures by susceptibility alone"


def main(
    chi_echoes: str, magnitude: str, eroded: str, acquisition: str, chi: str, echo_chi: list[str], cfg: dict,
    region: str | None = None, inversion: dict | None = None,
) -> None:  # fmt: skip
    """`region`: mask of the reference, where that is neither the whole brain nor none; `inversion`: its settings."""
    facts = Acquisition.read(acquisition)
    echoes, mask = read_volume(chi_echoes), read_mask(eroded)
    values = averaged(echoes.data, read_volume(magnitude).data, mask, facts.te_s, **taken(averaged, cfg))
    voxels = reference_voxels(mask, read_mask(region) if region else None, cfg["reference"])
    reference = described(values, mask, voxels, facts.voxel_size_mm, cfg["reference"])
    combined = on_grid(values - zero_of(values, mask, voxels), mask)
    separate = echoes.data.ndim == 4  # else one field was fitted to all echoes
    used = echo_range(len(facts.te_s), **taken(echo_range, cfg)) if separate else slice(None)
    method = estimation_of(INVERSION, inversion, single=len(facts.te_s) == 1) if inversion else {}
    about = {"Units": "ppm", **provenance(facts), **method}
    notes = [SINGLE_ECHO] if len(facts.te_s) == 1 else []
    if (told := sidecar_path(chi_echoes)).exists():  # of the inversion
        notes.append(read_json(told)["Note"])
    if reference.error_ppm > UNSURE_PPM:
        notes.append(UNSURE.format(name=reference.name, ppb=1000 * reference.error_ppm))
    note = {"Note": "; ".join(notes)} if notes else {}
    of_all = {**about, **protocol(facts, facts.te_s[used]), **reference.summary(), **note}
    write_volume(chi, combined, echoes, of_all)
    maps = np.moveaxis(echoes.data, 3, 0)[used] if separate else []
    for path, te_s, data in zip(echo_chi, facts.te_s[used], maps, strict=separate):
        write_volume(path, data, echoes, {**about, **protocol(facts, [te_s]), "Reference": "none"})


if __name__ == "__main__":
    with job(snakemake):
        output = snakemake.output
        params = snakemake.params
        echo_chi = output.get("echo_chi")
        main(**snakemake.input, chi=output.chi, echo_chi=echo_chi, cfg=params.cfg, inversion=params.inversion)
