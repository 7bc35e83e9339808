"""Maps of one scan in one SLURM job, beside a run without a cluster: `REQUIRE_SLURM=1 python -m benchmarks.slurm_job`.

One gzipped BIDS scan is simulated. In turn it runs by `snakemake --cores 2 -- maps` and by the SLURM profile on a
throw-away cluster of this host (root on Debian: `tests/workflow/slurm_cluster.py`). Medians go to slurm_job.tsv: CPU
seconds and peak memory of every job; of all of the scan, which is the whole local run and what the SLURM job and the
local jobs of the study cost; and with the Snakemake that submits, which checks the data and waits.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.one_scan import SCANS, write_scan
from benchmarks.usage import CONTROLLER, ROOT, by_job, project, snakemake, usage
from tests.workflow.slurm_cluster import Cluster, throw_away_cluster

PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
SITE = ("slurm_partition=main", "slurm_account=test", "mem_mb=2000 * attempt", "runtime=10 * attempt")
NEAR = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")  # the cluster is on this host
SCAN, COMMAND = "all of the scan", "with what submits"


def locally(bids: Path, folder: Path) -> pd.DataFrame:
    """By job what the maps of a scan cost without a cluster, and all of it."""
    processes = usage(snakemake(*maps(bids)), project(ROOT, folder)).processes
    return pd.concat([by_job(processes), *(total(processes, name) for name in (SCAN, COMMAND))])


def by_slurm(cluster: Cluster, bids: Path, folder: Path) -> pd.DataFrame:
    """The same inside the SLURM job, and what submitted it."""
    command = snakemake(*PROFILE, *NEAR, "--default-resources", *SITE, *maps(bids))
    processes = usage(command, project(ROOT, folder), cluster.environment).processes
    submits = processes["job"].eq(CONTROLLER)[::-1].idxmax()  # the last of them: it waits for that in the job
    inside = processes.drop(index=submits)
    return pd.concat([by_job(inside), total(inside, SCAN), total(processes, COMMAND)])


def maps(bids: Path) -> tuple[str, ...]:
    """Arguments for the maps of the scan."""
    return "--config", "dataset=one", f"bids_dir={bids}", "--", "maps"


def total(processes: pd.DataFrame, name: str) -> pd.DataFrame:
    """All of these together, under a name."""
    return by_job(processes.assign(job=name))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both in turn, write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slurm_job", description=__doc__)
    parser.add_argument("--size", choices=SCANS, default="paper", help="366 × 366 × 84, or half of each: six echoes")
    parser.add_argument("--repeats", type=int, default=3, help="of each; medians count")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    runs: dict[str, list[pd.DataFrame]] = {"local": [], "slurm": []}
    with tempfile.TemporaryDirectory() as scratch:
        bids, cluster_folder = Path(scratch) / "bids", Path(scratch) / "cluster"
        write_scan(bids, SCANS[chosen.size])
        cluster_folder.mkdir()
        with throw_away_cluster(cluster_folder) as cluster:
            for repeat in range(chosen.repeats):
                runs["local"].append(locally(bids, Path(scratch) / f"local{repeat}"))
                runs["slurm"].append(by_slurm(cluster, bids, Path(scratch) / f"slurm{repeat}"))
    medians = {name: pd.concat(tables).groupby(level=0, sort=False).median() for name, tables in runs.items()}
    table = medians["local"].add_suffix("_local").join(medians["slurm"].add_suffix("_slurm"), how="outer")
    table["cpu_s_ratio"] = table["cpu_s_slurm"] / table["cpu_s_local"]
    order = table.drop(index=[SCAN, COMMAND]).sort_values("cpu_s_local", ascending=False).index
    table = table.loc[[*order, SCAN, COMMAND]].rename_axis("job")
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "slurm_job.tsv", sep="\t", float_format="%.3g", na_rep="n/a")
    print(table.to_string(float_format=lambda x: f"{x:.3g}", na_rep=""))


if __name__ == "__main__":
    main()
