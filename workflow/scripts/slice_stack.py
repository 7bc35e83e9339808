"""Maps, box, nuclei, mask and echoes → stack of slices, full and cropped."""

from qnet.images.data import SliceStack, slice_stack, write_stack
from workflow.lib.jobs.job import job


def main(
    chi: str, r2star: str, t1w: str, box: str, nuclei: str, mask: str, magnitude: str, stack: str, cfg: dict
) -> None:
    paths = (chi, r2star, t1w, box, nuclei, mask, magnitude)
    write_stack(stack, slice_stack(*paths, SliceStack(**cfg)))


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
