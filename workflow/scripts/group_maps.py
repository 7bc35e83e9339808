"""Maps of all subjects in template space and their groups → means, difference, effect, clusters beyond chance."""

from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.report.group_maps import write_group_maps


def main(
    chi: list[str], r2star: list[str], folds: str, images: list[str], table: str, chi_picture: str, r2star_picture: str,
    cfg: dict, groups: dict, synthetic: bool,
) -> None:  # fmt: skip
    """`groups`: section `participants`."""
    maps = {"chi": (chi, chi_picture), "r2star": (r2star, r2star_picture)}
    write_group_maps(maps, images, table, folds, cfg, groups, synthetic)


if __name__ == "__main__":
    with job(snakemake):
        params, given = snakemake.params, snakemake.input
        main(
            listed(given.chi), listed(given.r2star), given.folds, **snakemake.output, cfg=params.cfg,
            groups=params.groups, synthetic=params.synthetic,
        )  # fmt: skip
