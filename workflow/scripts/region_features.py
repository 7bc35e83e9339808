"""Maps, labels of nuclei and box → features of the nuclei, one tidy table."""

from qnet.baselines.regions import RegionFeatures, region_features, write_features
from workflow.lib.jobs.job import job


def main(chi: str, r2star: str, t1w: str, dseg: str, box: str, stats: str, features: str, cfg: dict) -> None:
    write_features(features, region_features(chi, r2star, t1w, dseg, box, stats, RegionFeatures(**cfg)))


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
