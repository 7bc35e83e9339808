"""Echo images → susceptibility-weighted image and its minimum intensity projection."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_volume
from recon.files.sidecars import protocol, provenance
from recon.swi import SwiMap, best_echo, swi_maps
from workflow.lib.jobs.job import job

SAID = {
    "swi": "susceptibility-weighted image: magnitude times a mask of the high-pass filtered phase",
    "minIP": "minimum intensity projection of the susceptibility-weighted image across slices",
}


def main(magnitude: str, phase: str, mask: str, acquisition: str, swi: str, min_ip: str, cfg: dict) -> None:
    facts, settings = Acquisition.read(acquisition), SwiMap(**cfg)
    echo = best_echo(facts)
    image, brain = read_volume(magnitude, echo), read_mask(mask)
    maps = swi_maps(image.data, read_volume(phase, echo).data, brain, facts.grid, settings)
    about = {
        "Units": "arbitrary",
        "PhasePower": settings.phase_power,
        "HighPassFilterMM": settings.filter_mm,
        **protocol(facts, facts.te_s[echo : echo + 1]),
        **provenance(facts),
    }
    for path, suffix in ((swi, "swi"), (min_ip, "minIP")):
        slab = {"ProjectionMM": settings.projection_mm} if suffix == "minIP" else {}
        write_volume(path, maps[suffix], like=image, sidecar={"Description": SAID[suffix], **slab, **about})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
