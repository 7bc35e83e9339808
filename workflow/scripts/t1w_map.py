"""First echo and R2* → the T1-weighted image."""

from recon.acquisition import Acquisition
from recon.io import read_mask, read_volume, write_volume
from recon.t1 import T1wMap, t1_weighted
from workflow.lib.log import job_log


def main(magnitude: str, r2star: str, mask: str, acquisition: str, t1w: str, cfg: dict) -> None:
    echoes, facts, params = read_volume(magnitude), Acquisition.read(acquisition), T1wMap(**cfg)
    first_echo = echoes.data[..., 0]
    image = t1_weighted(first_echo, read_mask(mask), read_volume(r2star).data, facts.te_s[0], params)
    sidecar = {
        "Units": "arbitrary",
        "SkullStripped": True,
        "Sources": facts.sources,
        "EchoTime": facts.te_s[0],
        "FlipAngle": facts.flip_angle_deg,
        "R2starDecayRemoved": params.remove_r2star_decay,
    }
    write_volume(t1w, image, like=echoes, sidecar={k: v for k, v in sidecar.items() if v is not None})


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
