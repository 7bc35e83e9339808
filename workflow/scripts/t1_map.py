"""First echoes at two flip angles → T1 [s] and PD maps."""

from recon.acquisition import Acquisition
from recon.bids import metadata, raw_uri
from recon.io import read_mask, read_volume, write_volume
from recon.t1 import t1_map
from workflow.lib.log import job_log


def main(
    magnitude: str, low_flip: str, sidecars: list[str], r2star: str, mask: str, acquisition: str, t1: str, pd: str
) -> None:
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    flip_low_deg = float(metadata(low_flip, sidecars)["FlipAngle"])
    low, high = read_volume(low_flip).data, echoes.data[..., 0]
    flips_deg = (flip_low_deg, facts.flip_angle_deg)
    fit = t1_map(low, high, brain, read_volume(r2star).data, flips_deg, facts.tr_s, facts.te_s[0])
    about = {"SkullStripped": True, "Sources": (raw_uri(low_flip), *facts.sources)}
    about["FlipAngle"] = list(flips_deg)
    write_volume(t1, fit.t1_s, echoes, {"Units": "s", **about})
    write_volume(pd, fit.pd, echoes, {"Units": "arbitrary", **about})


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output)
