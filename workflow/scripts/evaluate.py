"""Predictions of all folds → one table of predictions, the paper's tables, ROC curves and boxplots."""

from pathlib import Path

from qnet import figures
from qnet.evaluate import Evaluate, evaluate, read_ceiling, write_table
from qnet.predictions import read_predictions
from workflow.lib.log import job_log


def main(
    predictions: list[str],
    merged: str,
    table1: str,
    table2: str,
    table3: str,
    delong: str,
    roc_image: str,
    roc_scan: str,
    auc_boxplot: str,
    cfg: dict,
    ceiling: str | None = None,
) -> None:
    params = Evaluate(**cfg)
    scores = read_predictions(*predictions)
    tables = evaluate(scores, params, read_ceiling(Path(ceiling).parent) if ceiling else None)
    scores.to_csv(merged, sep="\t", index=False)  # every digit: confident scores differ late
    for name, path in {"table1": table1, "table2": table2, "table3": table3, "delong": delong}.items():
        write_table(path, tables[name])
    figures.roc(roc_image, scores, "image")
    figures.roc(roc_scan, scores, "scan")
    figures.auc_boxplot(auc_boxplot, scores, tables["delong"], params)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        main(
            snakemake.input.predictions,
            **snakemake.output,
            cfg=snakemake.params.cfg,
            ceiling=snakemake.input.get("ceiling"),
        )
