"""The SLURM profile on a real throw-away cluster: the tiny cohort, and jobs, nodes and controllers that are lost."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import TINY
from tests.workflow.slurm_cluster import MEMORY_MB, Cluster, Job, throw_away_cluster, wait_until

HURRY = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]  # the cluster is on this host
LIMIT_S = 600

HEAD = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
from workflow.lib.jobs.cluster_limits import check_cluster

onstart:
    check_cluster(workflow, Path.cwd())
"""
FAULTS = (
    HEAD
    + f"""
rule all:
    input: "lost.txt", "hungry.txt", "cancelled.txt"
    localrule: True

rule lost:  # needs a node of its own
    output: "lost.txt"
    resources: mem_mb={MEMORY_MB}, round=lambda wildcards, attempt: attempt
    shell: "echo lost $SLURMD_NODENAME >> started; [ {{resources.round}} -gt 1 ] || sleep 600; touch {{output}}"

rule cancelled:
    output: "cancelled.txt"
    resources: round=lambda wildcards, attempt: attempt
    shell: "echo cancelled $SLURMD_NODENAME >> started; [ {{resources.round}} -gt 1 ] || sleep 600; touch {{output}}"

rule hungry:
    output: "hungry.txt"
    shell: "{sys.executable} -c 'import time; block = b\\"x\\" * 700_000_000; time.sleep(5)'; touch {{output}}"
"""
)
WAITING = (
    HEAD
    + """
rule all:
    input: expand("{i}.txt", i=range(3))
    localrule: True

rule quick_or_slow:  # 0 ends at once
    output: "{i}.txt"
    shell:
        "echo {wildcards.i} >> started; [ {wildcards.i} = 0 ] || until [ -e go ]; do sleep 0.2; done; "
        "echo $SLURM_JOB_ID > {output}"
"""
)
TWICE = (
    HEAD
    + """
rule all:
    input: "b.txt"
    localrule: True

rule a:  # fails at first
    output: "a.txt"
    group: "both"
    resources: round=lambda wildcards, attempt: attempt
    shell: "[ {resources.round} -gt 1 ] && touch {output}"

rule b:
    input: "a.txt"
    output: "b.txt"
    group: "both"
    shell: "touch {output}"
"""
)
SMALL = ["--default-resources", "mem_mb=600 * attempt", "runtime=5", "slurm_partition=main", "slurm_account=test"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two idle nodes."""
    with throw_away_cluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


class Run:
    """A controller: Snakemake with the SLURM profile, in the background."""

    def __init__(self, cluster: Cluster, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/slurm"]
        self.log = folder / "controller.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*command, *HURRY, *arguments],
                cwd=folder,
                env=cluster.environment | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> int:
        """Exit status; a controller that hangs is killed, for it ignores milder signals while jobs are out."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the controller hangs:\n{self.text[-4000:]}")

    def succeed(self) -> None:
        assert self.wait() == 0, self.text[-6000:]

    @property
    def text(self) -> str:
        return self.log.read_text()


@pytest.fixture
def small(repository, tmp_path):
    """A folder with the profile in which `small(text)` writes a Snakefile."""
    shutil.copytree(repository / "workflow/profiles", tmp_path / "workflow/profiles")

    def write(text: str) -> Path:
        (tmp_path / "workflow/Snakefile").write_text(text)
        return tmp_path

    return write


def new_jobs(cluster: Cluster, before: list[Job], name: str = "rule_") -> list[Job]:
    """Jobs submitted since, by the beginning of their name."""
    return [job for job in cluster.jobs()[len(before) :] if job.name.startswith(name)]


def started(folder: Path) -> list[str]:
    """Lines that jobs wrote when they began."""
    file = folder / "started"
    return file.read_text().splitlines() if file.exists() else []


def test_jobs_come_back_after_a_kill_for_memory_a_cancel_and_a_lost_node(cluster, small):
    folder, before = small(FAULTS), cluster.jobs()
    run = Run(cluster, folder, *SMALL)
    try:
        wait_until(lambda: len(started(folder)) == 2, 90, "lost and cancelled have not begun")
        node_of = dict(line.split() for line in started(folder))
        cluster.lose_node(node_of["lost"])
        cluster.cancel(new_jobs(cluster, before, "rule_cancelled")[0])
        run.succeed()
    finally:
        run.process.kill()
        if node_of["lost"] not in cluster.daemons:
            cluster.start_node(node_of["lost"])
    table = {name: new_jobs(cluster, before, f"rule_{name}") for name in ("hungry", "cancelled", "lost")}
    assert [(job.state, job.memory_mb) for job in table["hungry"]] == [("FAILED", 600), ("COMPLETED", 1200)]
    assert [job.state for job in table["cancelled"]] == ["CANCELLED", "COMPLETED"]
    assert [job.state for job in table["lost"]] == ["NODE_FAIL", "COMPLETED"]
    assert table["lost"][1].node != node_of["lost"]
    wait_until(lambda: len(cluster.idle_nodes()) == 2, 60, "the lost node is not back")


def test_a_group_asks_for_no_more_time_than_its_partition_gives(cluster, small):
    folder, before = small(TWICE), cluster.jobs()
    grow = ["--default-resources", "mem_mb=600", "runtime=5 * attempt", "slurm_partition=short", "slurm_account=test"]
    Run(cluster, folder, *grow).succeed()
    assert [job.state for job in new_jobs(cluster, before)] == ["FAILED", "COMPLETED"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["runtime=5", "slurm_partition=long"], "`slurm_partition: long` of group both: expected a partition of this"),
        (["runtime=7", "slurm_partition=short"], "`runtime` of group both: expected at most 12 minutes, the limit of"),
    ],
)
def test_what_slurm_would_refuse_ends_the_run_before_a_job(cluster, small, asked, sentence):
    folder, before = small(TWICE), cluster.jobs()
    run = Run(cluster, folder, "--default-resources", "mem_mb=600", "slurm_account=test", *asked)
    assert run.wait() != 0
    assert sentence in run.text and "Traceback" not in run.text
    assert new_jobs(cluster, before) == []


def waiting_run(cluster: Cluster, folder: Path) -> tuple[Run, list[Job]]:
    """A controller one of whose jobs has ended and two have begun; the jobs."""
    before = cluster.jobs()
    run = Run(cluster, folder, *SMALL)

    def ready() -> bool:
        ended = [job.ended for job in new_jobs(cluster, before)]
        return run.process.poll() is not None or (len(started(folder)) == 3 and sum(ended) == 1)

    wait_until(ready, 120, "jobs have not begun")
    assert run.process.poll() is None, run.text[-4000:]
    return run, new_jobs(cluster, before)


def no_job_left(cluster: Cluster) -> None:
    wait_until(lambda: all(job.ended for job in cluster.jobs()), 60, "jobs are still there")


def test_an_interrupted_run_takes_its_jobs_along_and_resumes(cluster, small):
    folder = small(WAITING)
    run, first = waiting_run(cluster, folder)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() != 0
    no_job_left(cluster)
    states = [job.state for job in cluster.jobs() if job.number in {old.number for old in first}]
    assert sorted(states) == ["CANCELLED", "CANCELLED", "COMPLETED"]
    (folder / "go").touch()
    Run(cluster, folder, *SMALL).succeed()
    assert sorted(started(folder)) == ["0", "1", "1", "2", "2"]


def test_a_killed_run_resumes_without_a_job_twice(cluster, small):
    folder, before = small(WAITING), cluster.jobs()
    run, first = waiting_run(cluster, folder)
    run.process.kill()
    run.process.wait()

    locked = Run(cluster, folder, *SMALL)
    assert locked.wait() != 0
    assert "--unlock" in locked.text
    Run(cluster, folder, *SMALL, "--unlock").succeed()

    beside = Run(cluster, folder, *SMALL)
    assert beside.wait() != 0
    left = {str(job.number) for job in first if not job.ended}
    assert set(re.search(r"scancel ([\d ]+)", beside.text)[1].split()) == left

    (folder / "go").touch()
    no_job_left(cluster)
    Run(cluster, folder, *SMALL).succeed()
    assert sorted(started(folder)) == ["0", "1", "2"]
    assert {(folder / f"{i}.txt").read_text().strip() for i in (1, 2)} == left
    assert len(new_jobs(cluster, before)) == 3


@pytest.fixture(scope="module")
def clustered(cluster, finished_run, tmp_path_factory):
    """The tiny cohort less a scan, the end of another and all that follows, finished by the cluster; with its jobs."""
    project, before = tmp_path_factory.mktemp("clustered") / "project", cluster.jobs()
    shutil.copytree(finished_run, project, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    results = project / "results/tiny"
    for pattern in ("*/sub-01", "rawdata/**/sub-01", "derivatives/qnet/sub-01", "qnet", "tables"):
        for folder in list(results.glob(pattern)):
            shutil.rmtree(folder)
    for file in (*results.glob("derivatives/qnet/sub-02/anat/*stats.tsv"), *results.glob("sub-0[12].html")):
        file.unlink()
    (results / "report.html").unlink()
    (project / "tiny.yaml").write_text(yaml.safe_dump(TINY | {"runs": {"inputs": ["full"]}}))
    Run(cluster, project, "--configfile", "tiny.yaml").succeed()
    return project, new_jobs(cluster, before)


def test_the_cohort_runs_through_sbatch_a_job_a_scan_and_a_fold(clustered):
    project, jobs = clustered
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert sorted(job.name.split("_")[1] for job in jobs) == ["fold", "fold", "scan", "scan", "study"]
    assert (project / "results/tiny/report.html").exists()


def test_only_training_asks_for_a_gpu(clustered):
    _, jobs = clustered
    assert {(job.partition, job.gpus, job.node) for job in jobs if job.name.startswith("rule_fold")} == {
        ("gpu", 1, "n1")
    }
    assert {(job.partition, job.gpus) for job in jobs if not job.name.startswith("rule_fold")} == {("main", 0)}


def test_the_cluster_computes_the_same_bytes(clustered, finished_run):
    project, _ = clustered
    maps = sorted((finished_run / "results/tiny/derivatives/qnet").glob("sub-*/anat/*.nii.gz"))
    folds = sorted((finished_run / "results/tiny/qnet/full").glob("**/predictions.tsv"))
    assert maps
    assert len(folds) == 2
    pairs = [(file, project / file.relative_to(finished_run)) for file in (*maps, *folds)]
    other = [file for file, again in pairs if file.read_bytes() != again.read_bytes()]
    assert other == []
