"""Magnitude of all echoes → R2* [1/s], how well the decay fits, and, if wanted, T2* [s] and the signal at TE = 0."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_volume
from recon.files.sidecars import protocol
from recon.registry import taken
from recon.relaxation.stage import STAGE, arlo_difference, decay_maps, r2star_fit
from workflow.lib.jobs.job import job
from workflow.lib.record.references import estimation, estimation_of

SAID = {  # of the further maps, by suffix
    "T2starmap": {"Description": "effective transverse relaxation time T2*, zero where R2* is zero", "Units": "s"},
    "S0map": {"Description": "signal at TE = 0, from the fit of R2*", "Units": "arbitrary"},
}


def main(
    magnitude: str, mask: str, acquisition: str, r2star: str, misfit: str, cfg: dict, threads: int,
    t2star: str | None = None, s0: str | None = None,
) -> None:  # fmt: skip
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    fit = r2star_fit(echoes.data, brain, facts.te_s, workers=threads, **STAGE.chosen(cfg))
    two = len(facts.te_s) == 2
    method = estimation("two-point formula") if two else estimation_of(STAGE, cfg)
    about = {"SkullStripped": True, "Sources": facts.sources, **protocol(facts, facts.te_s), **method}
    cross_check = arlo_difference(echoes.data, brain, facts.te_s, fit.r2star_hz)
    checks = {"NoiseLevel": float(fit.noise)}
    if fit.coils != 1:
        checks["NoiseCoils"] = round(float(fit.coils), 2)
    if cross_check is not None:  # ARLO needs equally spaced echoes
        checks["RelativeDifferenceToARLO"] = round(float(cross_check), 4)
    rate = {"Description": "effective transverse relaxation rate R2*", "Units": "1/s"}
    write_volume(r2star, fit.r2star_hz, like=echoes, sidecar={**rate, **about, **checks})
    residual = "RMS residual of the exponential, over the standard deviation of the noise"
    meaning = {"Description": residual + ("; zero, as two echoes leave none" if two else ""), "Units": "1"}
    write_volume(misfit, fit.misfit, like=echoes, sidecar={**meaning, **about})
    further = decay_maps(fit, **taken(decay_maps, cfg))
    for path, (suffix, data) in zip((t2star, s0), further.items(), strict=False):
        write_volume(path, data, like=echoes, sidecar={**SAID[suffix], **about})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
