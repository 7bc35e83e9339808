"""Susceptibility of every echo → the SNR-weighted, referenced map, and the map of each echo that entered it."""

import numpy as np

from recon.acquisition import Acquisition
from recon.combine import CombineEchoes, combine_echoes, echo_range
from recon.io import read_mask, read_volume, write_volume
from workflow.lib.log import job_log


def main(
    chi_echoes: str, magnitude: str, eroded: str, acquisition: str, chi: str, echo_chi: list[str], cfg: dict
) -> None:
    params, facts = CombineEchoes(**cfg), Acquisition.read(acquisition)
    echoes, mask = read_volume(chi_echoes), read_mask(eroded)
    combined = combine_echoes(echoes.data, read_volume(magnitude).data, mask, facts.te_s, params)
    sidecar = {"Units": "ppm", "SkullStripped": True, "Reference": params.reference}
    te_s = np.asarray(facts.te_s)
    used = echo_range(params, len(te_s))
    write_volume(chi, combined, like=echoes, sidecar={**sidecar, "EchoTimes": te_s[used].tolist()})
    for index, path in zip(range(len(te_s))[used], echo_chi, strict=True):
        echo = {"Units": "ppm", "SkullStripped": True, "Reference": "none", "EchoTime": te_s[index]}
        write_volume(path, echoes.data[..., index], like=echoes, sidecar=echo)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        output = snakemake.output
        main(**snakemake.input, chi=output.chi, echo_chi=output.get("echo_chi"), cfg=snakemake.params.cfg)
