"""Averaged image models of all folds and held-out subjects → montage of class activation maps."""

from qnet.augment import Augmentation, prepare_images
from qnet.data import participant_of, read_stack
from qnet.explain import Case, evidence_map, montage
from qnet.folds import held_out_labels, read_folds
from qnet.model import prepare_torch, read_image_model
from qnet.predict import image_scores, vote_score
from workflow.lib.log import job_log


def main(folds: str, stacks: list[str], swa_weights: list[str], figure: str, input_name: str, cfg: dict,
         threads: int) -> None:  # fmt: skip
    """`cfg`: `synthetic`, whether the subjects are simulated."""
    device = prepare_torch(threads)
    table = read_folds(folds)
    group_of = dict(zip(table["label"], table["group"], strict=True))
    paths = {participant_of(path): path for path in stacks}
    cases = []
    for path in swa_weights:
        model, about = read_image_model(path)
        model.to(device)
        for participant, label in held_out_labels(table, about["fold"]).items():
            images, slices = read_stack(paths[participant], input_name)
            prepared = prepare_images(images, Augmentation(**about["augmentation"]))
            scores, middle = image_scores(model, prepared), len(slices) // 2
            maps, _ = evidence_map(model, prepared[[middle]])
            correct = (vote_score(scores) >= 0.5) == bool(label)
            cases.append(Case(participant=participant, group=group_of[label], correct=correct,
                              slice=int(slices[middle]), score=float(scores[middle]),
                              qsm_ppm=images[middle, 0], evidence=maps[0],
                              crop_size=prepared.shape[-1]))  # fmt: skip
    montage(figure, cases, group_of[0], group_of[1], f"Class activation, {input_name} input", cfg["synthetic"])


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
