"""First echo and R2* → the T1-weighted image; the user's own image is brought to the grid of the echoes."""

import numpy as np

from recon.acquisition import Acquisition
from recon.files.io import Volume, read_mask, read_volume, write_volume
from recon.files.nifti_header import read_header
from recon.files.sidecars import protocol
from recon.relaxation.t1 import t1_weighted
from workflow.lib.jobs.job import job


def from_first_echo(
    echoes: Volume, brain: np.ndarray, r2star: str | None, facts: Acquisition, cfg: dict
) -> tuple[np.ndarray, dict]:
    """The image of the first echo, and what its sidecar says."""
    r2star_hz = read_volume(r2star).data if r2star else None
    image = t1_weighted(echoes.data[..., 0], brain, r2star_hz=r2star_hz, te1_s=facts.te_s[0], **cfg)
    sidecar = {
        "Sources": facts.sources,
        **protocol(facts, facts.te_s[:1]),
        "R2starDecayRemoved": cfg["remove_r2star_decay"] and r2star_hz is not None,
    }
    if r2star_hz is None:
        sidecar["Note"] = "R2* decay of the echo not removed: a single echo gives no R2*"
    return image, sidecar


def main(
    magnitude: str,
    mask: str,
    acquisition: str,
    t1w: str,
    cfg: dict,
    r2star: str | None = None,
    user_t1w: str | None = None,
    user: str | None = None,
) -> None:
    """`user`: BIDS URI of `user_t1w`."""
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    if user_t1w:
        from recon.regions.user_maps import (
            user_t1w as read_user_t1w,  # loads interpolation, which nothing else needs here
        )

        image, resampled = read_user_t1w(user_t1w, echoes, brain)
        how = f"linear, scanner coordinates by its {read_header(user_t1w).placed_by}" if resampled else "no"
        about = {"Sources": [user], "Tool": "user", "Resampled": how}
    else:
        image, about = from_first_echo(echoes, brain, r2star, facts, cfg)
    write_volume(t1w, image, like=echoes, sidecar={"Units": "arbitrary", "SkullStripped": True, **about})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, user=snakemake.params.user)
