"""Averaged image models of all folds and held-out subjects → class activation of single subjects and of the average."""

from qnet.explanation.cam_figures import montage, template_figure
from qnet.explanation.enrichment import enrichment
from qnet.explanation.evidence import explain_fold
from qnet.explanation.template import average
from qnet.folds import held_out_labels, read_folds
from qnet.images.data import participant_of
from qnet.networks.model import prepare_torch
from qnet.networks.weights import read_image_model
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job
from workflow.lib.report.activation import write_overlay


def main(folds: str, stacks: list[str], nuclei: list[str], masks: list[str], swa_weights: list[str], figure: str,
         template: str, table: str, overlays: list[str], input_name: str, cfg: dict, threads: int) -> None:  # fmt: skip
    """`cfg`: `synthetic`, whether the subjects are simulated, and `bootstrap`, how many resamples of them.

    `nuclei`, `masks` and `overlays`, which the viewer shows: in the order of the stacks.
    """
    device, rows = prepare_torch(threads), read_folds(folds)
    group_of = dict(zip(rows["label"], rows["group"], strict=True))
    groups, paths = (group_of[0], group_of[1]), {participant_of(path): path for path in stacks}
    cases = []
    for path in swa_weights:
        model, about = read_image_model(path)
        cases += explain_fold(model.to(device), about, paths, held_out_labels(rows, about["fold"]), groups)
    title = f"Class activation, {input_name} input"
    montage(figure, cases, groups, title, cfg["synthetic"])
    template_figure(template, average(cases), cases, groups, f"{title}, mean", cfg["synthetic"])
    of_stack = {case.stack: case for case in cases}
    for stack, label_image, mask, path in zip(stacks, nuclei, masks, overlays, strict=True):
        write_overlay(path, of_stack[stack], label_image, mask, groups[1])
    write_table(table, enrichment(cases, cfg["bootstrap"]), digits=6)


if __name__ == "__main__":
    with job(snakemake):
        keys = {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        files = {name: listed(snakemake.input[name]) for name in ("stacks", "nuclei", "masks", "swa_weights")}
        outputs = {name: snakemake.output[name] for name in ("figure", "template", "table")}
        outputs["overlays"] = listed(snakemake.output.overlays)
        main(snakemake.input.folds, **files, **outputs, **keys, cfg=snakemake.params.cfg)
