"""Maps and ground truth of all simulated subjects → error of each nucleus and of the whole brain."""

import pandas as pd

from recon.check.metrics import nrmse_percent, regional_means, summarise
from recon.files.io import read_mask, read_volume
from recon.files.tables import write_table
from recon.regions.nuclei import nucleus_labels
from workflow.lib.jobs.job import job


def main(chi: list[str], r2star: list[str], eroded: list[str], true_chi: list[str], true_r2star: list[str],
         true_nuclei: list[str], table: str) -> None:  # fmt: skip
    names = {label: name for label, (name, _) in nucleus_labels().items()}
    regions: dict[str, list] = {"chi_ppm": [], "r2star_hz": []}
    whole: dict[str, list] = {"chi_ppm": [], "r2star_hz": []}
    for index, path in enumerate(eroded):
        mask, labels = read_mask(path), read_volume(true_nuclei[index]).data.astype(int)
        for quantity, maps, truths in (("chi_ppm", chi, true_chi), ("r2star_hz", r2star, true_r2star)):
            estimate, truth = read_volume(maps[index]).data, read_volume(truths[index]).data
            whole[quantity].append(nrmse_percent(estimate, truth, mask))
            if quantity == "chi_ppm":  # susceptibility is relative: both refer to the mean over the same mask
                truth = truth - truth[mask].mean()
            regions[quantity].append(regional_means(estimate, truth, labels, mask, names))
    tables = []
    for quantity, rows in regions.items():
        summary = summarise(pd.concat(rows))
        brain = {"region": "whole brain", "measurements": len(eroded)}
        brain["nrmse_percent"] = sum(whole[quantity]) / len(eroded)
        summary = pd.concat([summary, pd.DataFrame([brain])])
        summary.insert(0, "quantity", quantity)
        tables.append(summary)
    write_table(table, pd.concat(tables).round(4))


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output)
