"""First echoes at two flip angles → T1 [s] and PD maps."""

import numpy as np

from recon.acquisition import Acquisition
from recon.bids import metadata, raw_uri
from recon.io import read_mask, read_volume, write_volume
from recon.relaxometry import variable_flip_angle
from workflow.lib.log import job_log


def main(
    magnitude: str, low_flip: str, sidecars: list[str], r2star: str, mask: str, acquisition: str, t1: str, pd: str
) -> None:
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    flip_low_deg = float(metadata(low_flip, sidecars)["FlipAngle"])
    low, high = read_volume(low_flip).data, echoes.data[..., 0]
    t1_s, pd_weighted = variable_flip_angle(low, high, flip_low_deg, facts.flip_angle_deg, facts.tr_s)
    pd_te0 = pd_weighted * np.exp(facts.te_s[0] * read_volume(r2star).data)  # back to TE = 0
    about = {"SkullStripped": True, "Sources": (raw_uri(low_flip), *facts.sources)}
    about["FlipAngle"] = [flip_low_deg, facts.flip_angle_deg]
    write_volume(t1, np.where(brain, t1_s, 0), echoes, {"Units": "s", **about})
    write_volume(pd, np.where(brain, pd_te0, 0), echoes, {"Units": "arbitrary", **about})


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output)
