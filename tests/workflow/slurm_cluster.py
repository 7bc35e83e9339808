"""A throw-away SLURM cluster on this host: a controller and two nodes, n1 with two pretend GPUs. For root on Debian.

Nothing is set up but two links in /etc/slurm, and no service is used: the daemons are children of the test. Memory is
enforced by polling once a second, so that no control group is needed. Every process of the cluster and of its jobs
carries a mark in its environment, by which the last of them is found and ended.
"""

import fcntl
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ETC = Path("/etc/slurm")
LOCK = Path("/var/lock/qnet-test-slurm")  # one cluster a host: /etc/slurm is shared
MARK, NODE_MARK = "QNET_TEST_CLUSTER", "QNET_TEST_NODE"
NODES = ("n1", "n2")
CPUS, MEMORY_MB = 2, 6000
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")

CONFIGURATION = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
MpiDefault=none
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=3600
SlurmdTimeout=10
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
{nodes}
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n1 MaxTime=INFINITE State=UP
PartitionName=short Nodes=n[1-2] MaxTime=12 State=UP
"""


@dataclass(frozen=True)
class Job:
    """One job that the cluster knows."""

    number: int
    state: str
    node: str
    memory_mb: int
    partition: str
    gpus: int
    seconds: int
    name: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Cluster:
    """The running cluster; `environment` is what its commands and jobs need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {MARK: str(folder)}
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Write the configuration, start munge, the controller and both nodes; wait until they are idle."""
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._configure()
        socket_file = self.folder / "munge.sock"
        self._daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_file}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        wait_until(socket_file.exists, 20, "munge has no socket")
        self._daemon("slurmctld", "slurmctld", "-D", "-c")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.idle_nodes() == set(NODES), 40, "the nodes are not idle")

    def _configure(self) -> None:
        """slurm.conf and gres.conf, linked where SLURM's steps look for them."""
        host = socket.gethostname().split(".")[0]
        port, *node_ports = free_ports(1 + len(NODES))
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={p} CPUs={CPUS} RealMemory={MEMORY_MB}"
            f"{' Gres=gpu:2' if node == 'n1' else ''} State=UNKNOWN"
            for node, p in zip(NODES, node_ports, strict=True)
        ]
        text = CONFIGURATION.format(host=host, port=port, folder=self.folder, nodes="\n".join(nodes))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(
            "NodeName=n1 Name=gpu File=/dev/null\nNodeName=n1 Name=gpu File=/dev/zero\n"
        )
        for name in ("slurm.conf", "gres.conf"):
            link = ETC / name
            if link.is_symlink():
                link.unlink()  # of a cluster that was killed: a real one is not a link, see `cluster_or_skip`
            link.symlink_to(self.folder / name)

    def _daemon(self, name: str, *command: str, **marks: str) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],  # killed tests take the cluster along
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment | marks,
                start_new_session=True,
            )

    def start_node(self, node: str) -> None:
        """Start a node; one that was lost comes back."""
        self._daemon(node, "slurmd", "-D", "-N", node, **{NODE_MARK: node})

    def lose_node(self, node: str) -> None:
        """Kill everything on a node at once, as a power cut does; the cluster notices after SlurmdTimeout."""
        daemons, steps, jobs = [], [], []
        for process in self.processes():
            with suppress(psutil.Error):
                marks = process.environ()
                if marks.get(NODE_MARK) == node:
                    daemons.append(process)
                elif marks.get("SLURMD_NODENAME") == node:
                    jobs.append(process)
                    if process.parent().name() == "slurmstepd":  # it wipes its own environment
                        steps.append(process.parent())
        for kill in (psutil.Process.suspend, psutil.Process.kill):  # stopped first, nothing tells of another's end
            for process in (*daemons, *steps, *jobs):
                with suppress(psutil.Error):
                    kill(process)
        self.daemons.pop(node).wait()

    def processes(self) -> list[psutil.Process]:
        """Processes of the cluster and of its jobs."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get(MARK) == str(self.folder) and process.pid != os.getpid()
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def run(self, *command: str) -> str:
        """Output of a SLURM command."""
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True, check=False, timeout=30)
        return done.stdout

    def idle_nodes(self) -> set[str]:
        return set(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split())

    def jobs(self) -> list[Job]:
        """All jobs since the start, by number."""
        fields = ["JobID", "State", "NodeList", "MinMemory", "Partition", "tres-per-job", "TimeUsed", "Comment"]
        text = self.run("squeue", "-h", "--states=all", "-O", ",".join(f"{field}:|" for field in fields))
        return sorted((_job(line.split("|")) for line in text.splitlines() if "|" in line), key=lambda job: job.number)

    def cancel(self, job: Job) -> None:
        self.run("scancel", str(job.number))

    def stop(self) -> None:
        """End jobs and daemons, remove the links; nothing of the cluster is left running."""
        self.run("scancel", "--user=root")
        with suppress(TimeoutError):
            wait_until(lambda: all(job.ended for job in self.jobs()), 10, "jobs are still there")
        for name in (*NODES, "slurmctld", "munged"):
            if daemon := self.daemons.get(name):
                daemon.terminate()
                with suppress(subprocess.TimeoutExpired):
                    daemon.wait(10)
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        for daemon in self.daemons.values():
            daemon.wait()
        for name in ("slurm.conf", "gres.conf"):
            if (ETC / name).is_symlink() and (ETC / name).readlink() == self.folder / name:
                (ETC / name).unlink()
        wait_until(lambda: not self.processes(), 10, "processes of the cluster are left")


def _job(fields: list[str]) -> Job:
    number, state, node, memory, partition, per_job, used, comment, *_ = (field.strip() for field in fields)
    gpus = re.search(r"gpu:(\d+)", per_job)
    *days, clock = used.split("-")
    seconds = sum(int(part) * 60**i for i, part in enumerate(reversed(clock.split(":")))) if clock[0].isdigit() else 0
    return Job(
        number=int(number),
        state=state,
        node=node,
        memory_mb=_megabytes(memory),
        partition=partition,
        gpus=int(gpus[1]) if gpus else 0,
        seconds=seconds + sum(86400 * int(day) for day in days),
        name=comment,
    )


def _megabytes(text: str) -> int:
    """`1500M`, `2G`, `2.50G` → MB as SLURM counts them."""
    return round(float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]) if text[-1:] in ("M", "G") else int(text or 0)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until(condition, seconds: float, otherwise: str):
    """Poll until `condition()` is true and return it; TimeoutError says what was awaited."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} after {seconds} s")
        time.sleep(0.3)
    return result


def cluster_or_skip() -> None:
    """Install SLURM where it is missing. Only with REQUIRE_SLURM set: no test installs system packages unasked."""
    if not os.environ.get("REQUIRE_SLURM"):
        pytest.skip("a throw-away SLURM cluster takes minutes and may install packages: REQUIRE_SLURM=1 asks for it")
    if reason := _why_not():
        pytest.fail(f"no throw-away SLURM cluster: {reason}")


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "expected to be root, who may start slurmd"
    if (ETC / "slurm.conf").is_file() and not (ETC / "slurm.conf").is_symlink():
        return f"{ETC}/slurm.conf belongs to a real cluster"
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))):
        if not shutil.which("apt-get"):
            return "expected slurm-wlm and munge, or apt-get to install them"
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "slurm-wlm", "munge"]):
            run = subprocess.run(
                ["apt-get", *command], env=environment, capture_output=True, text=True, check=False, timeout=300
            )
        if run.returncode:
            return f"apt-get install slurm-wlm munge: {run.stderr.strip()[-300:]}"
    return None


@contextmanager
def throw_away_cluster(folder: Path):
    """A started Cluster; it is stopped and leaves nothing behind, whatever happens inside."""
    cluster_or_skip()
    ETC.mkdir(exist_ok=True)
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout's tests on this host go first
        cluster = Cluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
