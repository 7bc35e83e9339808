"""Magnitude of all echoes → R2* [1/s], and how well the decay fits."""

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume, write_volume
from recon.relaxation.stage import STAGE, arlo_difference, r2star_fit
from workflow.lib.jobs.job import job


def main(magnitude: str, mask: str, acquisition: str, r2star: str, misfit: str, cfg: dict, threads: int) -> None:
    echoes, facts, brain = read_volume(magnitude), Acquisition.read(acquisition), read_mask(mask)
    fit = r2star_fit(echoes.data, brain, facts.te_s, workers=threads, **STAGE.chosen(cfg))
    two = len(facts.te_s) == 2
    about = {"SkullStripped": True, "Sources": facts.sources, "EchoTimes": facts.te_s}
    about["Method"] = "two-point formula" if two else cfg["method"]
    cross_check = arlo_difference(echoes.data, brain, facts.te_s, fit.r2star_hz)
    checks = {"NoiseLevel": float(fit.noise)}
    if cross_check is not None:  # ARLO needs equally spaced echoes
        checks["RelativeDifferenceToARLO"] = round(float(cross_check), 4)
    rate = {"Description": "effective transverse relaxation rate R2*", "Units": "1/s"}
    write_volume(r2star, fit.r2star_hz, like=echoes, sidecar={**rate, **about, **checks})
    residual = "RMS residual of the exponential, over the standard deviation of the noise"
    meaning = {"Description": residual + ("; zero, as two echoes leave none" if two else ""), "Units": "1"}
    write_volume(misfit, fit.misfit, like=echoes, sidecar={**meaning, **about})


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg, threads=snakemake.threads)
