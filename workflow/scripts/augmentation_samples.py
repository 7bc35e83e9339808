"""Stack of one scan → its middle slice, full and cropped, as training sees it in the first epochs."""

from qnet.explanation.samples import draw_samples, samples
from qnet.images.augment import Augmentation
from qnet.images.data import INPUTS, participant_of, read_stack
from qnet.images.normalise import Normalise, normalise
from workflow.lib.jobs.job import job


def main(stack: str, figure: str, cfg: dict) -> None:
    """`cfg`: `normalise`, `augmentation`, `seed` and `synthetic`, whether the subject is simulated."""
    normalisation, augmentation = Normalise(**cfg["normalise"]), Augmentation(**cfg["augmentation"])
    rows = {}
    for name in INPUTS:
        images, slices = read_stack(stack, name)
        middle = len(slices) // 2
        rows[name] = samples(normalise(images, normalisation)[middle], augmentation, cfg["seed"], middle)
    title = f"Augmentation of one QSM image, {participant_of(stack)}, slice {slices[middle]}"
    draw_samples(figure, rows, normalisation, title, cfg["synthetic"])


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, cfg=snakemake.params.cfg)
