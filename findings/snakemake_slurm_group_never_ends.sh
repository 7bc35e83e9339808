#!/usr/bin/env bash
# A group that Snakemake's SLURM plugin cannot submit leaves a run that never ends.
#
# Where the plugin cannot submit a job, here as SLURM does not know its account, version 2.8.0 tells Snakemake that
# the job failed, and the run ends with exit status 1 and the reason. Of a group it asks for the name of its rule, which
# a group has not: that error is lost in a thread, nobody hears of the reason, and the run waits for ever.
# SLURM is stood in for by commands that answer as it does to an account that it does not know.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "snakemake==9.27.1" "snakemake-executor-plugin-slurm==2.8.0"

mkdir bin
for command in sbatch sacct sacctmgr sshare sinfo squeue scancel scontrol; do
    printf '#!/bin/sh\nexit 0\n' >"bin/$command"
    chmod +x "bin/$command"
done
export PATH="$work/bin:$work/env/bin:$PATH"
printf 'rule make:\n    output: "made"\n    shell: "touch {output}"\n' >Snakefile

run() { # of one job, with further options: its exit status, 137 where it had to be killed after two minutes
    timeout --signal=KILL 120 snakemake --executor slurm --jobs 1 --nolock \
        --default-resources slurm_account=nobody slurm_partition=main runtime=5 "$@" >log 2>&1 && echo 0 || echo $?
}

alone=$(run)
told=$(grep --count "Job submission failed" log || true)
group=$(run --groups make=all)
untold=$(grep --count "Job submission failed" log || true)
echo "a job alone: exit status $alone, the reason told $told times"
echo "in a group: exit status $group (137: killed), the reason told $untold times"
[[ $alone == 1 && $told -gt 0 && $group == 137 && $untold == 0 ]]
