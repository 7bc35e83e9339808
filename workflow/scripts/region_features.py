"""Maps, labels of nuclei and box → features of the nuclei, one tidy table."""

from qnet.baselines.regions import RegionFeatures, region_features
from qnet.tables import write_table
from workflow.lib.jobs.job import job
from workflow.lib.report.nuclei import nucleus_of_parts


def main(chi: str, r2star: str, t1w: str, dseg: str, box: str, stats: str, features: str, cfg: dict) -> None:
    table = region_features(chi, r2star, t1w, dseg, box, stats, RegionFeatures(**cfg), nucleus_of_parts())
    write_table(features, table, digits=None)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
