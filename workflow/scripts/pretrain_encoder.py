"""Stacks and true tissue values of simulated subjects → an image model that measures, to start stage 1 from."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from qnet.images.augment import Augmentation, centre_crop
from qnet.images.data import participant_of, read_array, read_stack
from qnet.images.normalise import Normalise, channel_mask, normalise
from qnet.networks.heads.measured import Measured, norms
from qnet.networks.loop import write_log
from qnet.networks.model import prepare_torch
from qnet.networks.predict import embed
from qnet.networks.pretrain import Pretraining, pretrain, targets_of
from qnet.networks.weights import write_weights
from workflow.lib.jobs.job import job
from workflow.lib.report.nuclei import labels_of_nuclei


def main(stacks: list[str], truth: str, encoder: str, log: str, input_name: str, cfg: dict, threads: int) -> None:
    """`cfg`: section `normalise`, `seed`, and under `training` section `pretrain` with what it shares with stage 1."""
    window, training, seed = Normalise(**cfg["normalise"]), cfg["training"], cfg["seed"]
    params = Pretraining(**{**training, "augmentation": Augmentation(**training["augmentation"])})
    scans = {participant_of(path): path for path in stacks}
    images = np.concatenate([normalise(read_stack(path, input_name)[0], window) for path in stacks]).astype(np.float16)
    nuclei = [read_array(path, f"{input_name}_nuclei") for path in stacks]
    rows = pd.read_csv(truth, sep="\t").set_index("participant_id").loc[[*scans]]
    targets = targets_of(rows, nuclei, labels_of_nuclei(), params.smallest_pixels)
    names = [f"{scan} slice {t}" for scan, slices in zip(scans, nuclei, strict=True) for t in range(len(slices))]

    device, kept = prepare_torch(threads), Path(encoder).with_suffix(".checkpoint")
    model, records = pretrain(images, targets, params, channel_mask(window), seed, device, kept, names)
    about = {"input": input_name, "normalise": cfg["normalise"], "seed": seed, "subjects": len(scans), **training}
    about |= {"targets": targets.names, "mean": targets.mean.tolist(), "sd": targets.sd.tolist(), "synthetic": True}
    reader = Measured.of_encoder(model.state_dict(), about)
    prepared = centre_crop(images, params.augmentation).astype(np.float32)
    seen = np.split(prepared, np.cumsum([len(slices) for slices in nuclei])[:-1])
    measured = [reader.measure(torch.from_numpy(embed(model, scan))[None])[0].numpy() for scan in seen]
    write_weights(encoder, model, about | {"norms": norms(np.stack(measured), rows["age"].to_numpy())})
    write_log(log, records)
    kept.unlink(missing_ok=True)


if __name__ == "__main__":
    with job(snakemake):
        keys = {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
