"""Stacks and averaged image model → embeddings of every slice of every subject."""

from safetensors.numpy import save_file

from qnet.augment import Augmentation, prepare_images
from qnet.data import atomic, participant_of, read_stack
from qnet.model import prepare_torch, read_image_model
from qnet.predict import embed
from workflow.lib.log import job_log


def main(stacks: list[str], swa_weights: str, embeddings: str, input_name: str, threads: int) -> None:
    device = prepare_torch(threads)
    model, about = read_image_model(swa_weights)
    model.to(device)
    augmentation = Augmentation(**about["augmentation"])
    tensors = {
        participant_of(path): embed(model, prepare_images(read_stack(path, input_name)[0], augmentation))
        for path in stacks
    }
    with atomic(embeddings) as part:
        save_file(tensors, part)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys)
