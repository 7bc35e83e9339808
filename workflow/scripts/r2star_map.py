"""Magnitude of all echoes → R2* [1/s]."""

from recon.acquisition import Acquisition
from recon.io import read_mask, read_volume, write_volume
from recon.relaxometry import R2starMap, r2star_map
from workflow.lib.log import job_log


def main(magnitude: str, mask: str, acquisition: str, r2star: str, cfg: dict) -> None:
    echoes, facts = read_volume(magnitude), Acquisition.read(acquisition)
    r2star_hz = r2star_map(echoes.data, read_mask(mask), facts.te_s, R2starMap(**cfg))
    sidecar = {
        "Units": "1/s",
        "SkullStripped": True,
        "Sources": facts.sources,
        "EchoTimes": facts.te_s,
        "Method": cfg["method"],
    }
    write_volume(r2star, r2star_hz, like=echoes, sidecar=sidecar)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
