"""`python forked_jobs.py ARGUMENTS`: Snakemake whose jobs are forked from a process that holds what imports slowly.

Nothing of the project is imported before the fork: every job reads the project's files anew, as a real one does.
Real processes compute the same bytes: test_determinism.py and test_slurm.py compare them.
"""

import gc
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

SLOW = {  # what most scripts that import from a package need
    "recon": ("nibabel", "scipy.ndimage", "scipy.optimize"),
    "recon.check": ("matplotlib.backends.backend_agg", "matplotlib.figure", "pandas"),
    "qnet": ("matplotlib.backends.backend_agg", "matplotlib.figure", "pandas", "scipy.stats"),
    "qnet.networks": ("safetensors.torch", "torch", "torchvision.models"),
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LONGEST = 1 << 18  # bytes of a request: the environment of a job


def serve(requests: socket.socket) -> None:
    """Start a job for every request, until Snakemake has ended."""
    jobs = []
    while (request := socket.recv_fds(requests, LONGEST, 1))[0]:
        script, environment = json.loads(request[0])
        import_for(script)
        with socket.socket(fileno=request[1][0]) as answers:
            jobs.append(os.fork())
            if jobs[-1] == 0:
                requests.close()
                answers.send(str(os.getpid()).encode())
                answers.send(str(run(script, environment)).encode())
                os._exit(0)
    for job in jobs:  # until here they are dead and unburied: each has told its own end
        os.waitpid(job, 0)


def import_for(script: str) -> None:
    """What a script and those after it need."""
    text = Path(script).read_text("utf-8")
    for package, modules in SLOW.items():
        if re.search(rf"^from {package}\b", text, re.MULTILINE):
            for module in modules:
                import_module(module)
    gc.freeze()  # else a job's first look for waste copies every page


def run(script: str, environment: dict[str, str]) -> int:
    """Exit status of a script, which is run as `python SCRIPT` would."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = [script], os.path.dirname(script)
    status: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


def forking(requests: socket.socket):
    """For `execute_script` of Snakemake's Python scripts: the job is a fork of the server's."""
    from snakemake.benchmark import benchmarked

    def execute_script(self, fname: str, edit: bool = False) -> None:
        environment = os.environ | dict.fromkeys(THREADS, str(self.threads)) | {"TMPDIR": self.resources.tmpdir}
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answers:
            with theirs:
                message = json.dumps([fname, environment]).encode()
                socket.send_fds(requests, [message], [theirs.fileno()])
            with benchmarked(int(answers.recv(99)), self.bench_record):
                status = int(answers.recv(99) or -signal.SIGKILL)
        if status:
            raise subprocess.CalledProcessError(status, f"python {fname}")

    return execute_script


def main() -> None:
    """Run Snakemake in the working folder."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.fork()
    if server == 0:
        ours.close()
        serve(theirs)
        os._exit(0)
    theirs.close()
    from snakemake.script import PythonScript

    PythonScript.execute_script = forking(ours)
    sys.path[0] = os.getcwd()
    try:
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    finally:
        ours.close()
        os.waitpid(server, 0)


if __name__ == "__main__":
    main()
