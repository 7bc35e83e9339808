"""First echoes at two flip angles, and the user's B1 map → T1 [s] and PD maps."""

import numpy as np

from recon.acquisition import Acquisition
from recon.files.bids import raw_uri
from recon.files.io import read_mask, read_volume, write_volume
from recon.files.sidecars import protocol
from recon.intake.read import first_magnitude
from recon.intake.series import series_of
from recon.relaxation.t1 import t1_map
from workflow.lib.jobs.job import job
from workflow.lib.record.references import estimation


def main(
    magnitude: str,
    low_flip: list[str],
    sidecars: list[str],
    mask: str,
    acquisition: str,
    t1: str,
    pd: str,
    r2star: str | None = None,
    b1: str | None = None,
    user: str | None = None,
) -> None:
    """`user`: BIDS URI of `b1`."""
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    series = series_of(low_flip, sidecars)
    low, high = first_magnitude(series).data, echoes.data[..., 0]
    flips_deg = (float(series.facts[0]["FlipAngle"]), facts.flip_angle_deg)
    r2star_hz = read_volume(r2star).data if r2star else None
    timing = {"tr_s": facts.tr_s, "te_s": facts.te_s[0]}
    factor: np.ndarray | float = 1.0
    about = {"SkullStripped": True, "B1Corrected": bool(b1)}
    if b1:
        from recon.regions.user_maps import user_b1  # loads interpolation, which nothing else needs here

        factor, unit = user_b1(b1, echoes)
        about["B1Unit"] = str(unit)
    fit = t1_map(low, high, brain, r2star_hz=r2star_hz, flips_deg=flips_deg, **timing, b1=factor)
    sources = (*map(raw_uri, series.files), *facts.sources, *filter(None, [user]))
    about["Sources"] = sources
    if without := float(np.mean(factor[brain] == 0)) if b1 else 0.0:
        about["B1Missing"] = f"in {without:.1%} of the brain mask, where T1 and PD are zero"
        print(f"{b1}: no B1 {about['B1Missing']}")
    about |= protocol(facts, facts.te_s[:1]) | {"FlipAngle": list(flips_deg)} | estimation("DESPOT1", ["deoni2003"])
    write_volume(t1, fit.t1_s, echoes, {"Description": "longitudinal relaxation time T1", "Units": "s", **about})
    note = {} if r2star else {"Note": "weighted by the R2* decay until the echo: a single echo gives no R2*"}
    density = {"Description": "proton density times receive sensitivity", "Units": "arbitrary"}
    write_volume(pd, fit.pd, echoes, {**density, **about, **note})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, user=snakemake.params.user)
