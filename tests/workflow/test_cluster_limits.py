"""What SLURM would refuse is refused before the first job; what it refuses all the same is told in its words."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource

from workflow.lib.jobs import cluster_limits
from workflow.lib.jobs.cluster_limits import (
    AWAY,
    SHUT,
    Asked,
    associations_of,
    cap,
    check_cluster,
    cluster_name,
    end_refused_groups,
    has_to_wait,
    minutes_of,
    partitions_of,
    refusals_of,
    shares,
    submission,
    told_by_scontrol,
    too_many,
    words_of,
)
from workflow.lib.jobs.failures import REFUSED, Failure, advice, how_it_ended, paragraph
from workflow.lib.setup.process import check_storage, understood

PARTITIONS = """\
PartitionName=main AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=YES MaxTime=UNLIMITED State=UP
PartitionName=short AllowAccounts=ALL MaxTime=01:00:00 State=UP
PartitionName=gpu AllowAccounts=lab,other DenyAccounts=bad MaxTime=1-00:00:00 State=UP
PartitionName=old AllowAccounts=ALL MaxTime=UNLIMITED State=DRAIN
PartitionName=night AllowAccounts=ALL MaxTime=UNLIMITED State=DOWN
"""
SBATCH = """SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: Requested time \
limit is invalid (missing or exceeds some limit)'.
    sbatch call:
        sbatch --parsable -t 360 --wrap="exit status 1"
"""


def asked(partition="main", account="lab", minutes=10) -> Asked:
    """Minutes at the first of three attempts."""
    times = tuple(minutes * attempt for attempt in (1, 2, 3)) if minutes else ()
    return Asked(name="group scan", partition=partition, account=account, minutes=times)


def refused(accounts=(), **asks) -> list[str]:
    return refusals_of([asked(**asks)], partitions_of(PARTITIONS), frozenset(accounts))


@pytest.mark.parametrize(
    ("text", "minutes"), [("UNLIMITED", None), ("01:00:00", 60), ("2-12:30:00", 3630), ("30:00", 30), ("1-0", 1440)]
)
def test_times_of_slurm_are_minutes(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    "asks",
    [
        {}, {"minutes": 10**6}, {"partition": None}, {"partition": "short", "minutes": 60}, {"accounts": ["lab"]},
        {"partition": "gpu", "minutes": 1440}, {"partition": "short,gpu", "minutes": 1440}, {"minutes": 0},
        {"partition": "night"},
    ],
)  # fmt: skip
def test_what_the_cluster_gives_passes(asks):
    assert refused(**asks) == []


@pytest.mark.parametrize(
    ("asks", "sentence"),
    [
        ({"partition": "long"}, "`slurm_partition: long` of group scan: expected a partition of this cluster (main, s"),
        ({"accounts": ["a", "b"]}, "`slurm_account: lab`: expected an account of yours (a, b)"),
        (
            {"partition": "old"},
            "`slurm_partition: old` of group scan: expected a partition that takes jobs, found it D",
        ),
        (
            {"partition": "gpu", "account": "me"},
            "`slurm_account: me` of group scan: expected an account that partition g",
        ),
        (
            {"partition": "gpu", "account": "bad"},
            "`slurm_account: bad` of group scan: expected an account that partition",
        ),
        (
            {"partition": "short", "minutes": 61},
            "`runtime` of group scan: expected at most 60 minutes, the limit of part",
        ),
    ],
)
def test_what_the_cluster_refuses_is_one_sentence(asks, sentence):
    (found,) = refused(**asks)
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("rows", "partition", "jobs", "refused"),
    [
        ("lab||2", "main", 100, ["2, as many as account lab may have in the queue"]),
        ("lab|main|2", "main", 100, ["2, as many as account lab may have in the queue of partition main"]),
        ("lab|main|2", None, 100, ["2, as many as account lab may have in the queue of partition main"]),
        ("lab||2\nlab|main|5", "main", 100, ["5, as many as account lab may have in the queue of partition main"]),
        ("lab||2", "main", 2, []),
        ("lab||9", "main", 100, []),
        ("lab||2\nlab||", "main", 100, []),
        ("lab|debug|2", "main", 100, []),
        ("lab|debug|2\nlab||", "main", 100, []),
        ("other||2", "main", 100, []),
        ("", "main", 100, []),
    ],
)
def test_more_jobs_than_an_account_may_have_in_the_queue_are_refused(rows, partition, jobs, refused):
    asks = [asked(partition=partition, account="Lab"), asked(partition=partition, account="Lab")]
    found = too_many(jobs, [4, 5], asks, associations_of(rows))
    assert found == [f"`jobs: {jobs}`: expected at most {words}" for words in refused]


def test_jobs_count_for_their_own_account():
    limits = associations_of("lab||9\nsmall||2")
    assert too_many(100, [9, 2], [asked(), asked(account="small")], limits) == []
    (found,) = too_many(100, [9, 3], [asked(), asked(account="small")], limits)
    assert "account small" in found


def test_the_cluster_tells_its_name():
    assert cluster_name("BootTime = x\nClusterName             = big\nSlurmUser = root\n") == "big"
    assert cluster_name("") == ""


@pytest.mark.parametrize(
    ("sbatch", "printed", "sentence"),
    [
        (None, PARTITIONS, "found none on this computer: start the run where jobs may be submitted"),
        ("/bin/sbatch", "", "found scontrol saying: Munge encode failed"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_refused(sbatch, printed, sentence):
    answer = printed, "sbatch: error: Munge encode failed\n"
    with pytest.raises(WorkflowError, match=sentence):
        told_by_scontrol(lambda name: sbatch, lambda *command: answer)
    assert told_by_scontrol(lambda name: "sbatch", lambda *command: (PARTITIONS, "")) == PARTITIONS


def test_words_of_sbatch_are_told():
    said = "sbatch: error: AssocMaxSubmitJobLimit\nallocation failure: Job violates accounting/QOS policy\n"
    assert words_of(said) == "AssocMaxSubmitJobLimit; Job violates accounting/QOS policy"
    assert words_of("") == ""


@pytest.mark.parametrize(
    ("words", "nodes_away", "partition_down", "waits"),
    [
        (AWAY, True, False, True),
        (AWAY, False, True, False),
        (SHUT, False, True, True),
        (SHUT, True, False, False),
        ("Requested nodes are busy", False, False, True),
        ("Unable to contact slurm controller (connect failure)", False, False, True),
        ("Invalid account or account/partition combination specified", True, True, False),
    ],
)
def test_a_wait_is_no_refusal(words, nodes_away, partition_down, waits):
    assert has_to_wait(words, nodes_away=nodes_away, partition_down=partition_down) == waits


@pytest.mark.parametrize(("partition", "named"), [("main", True), (None, False)])
def test_nodes_that_are_away_are_looked_for_where_the_profile_names(monkeypatch, partition, named):
    run = []
    monkeypatch.setattr(cluster_limits, "submission", lambda *about: ["sbatch"])
    monkeypatch.setattr(
        cluster_limits, "_run", lambda *command: run.append(command) or ("n1", f"sbatch: error: {AWAY}")
    )
    assert not cluster_limits.refused_by_sbatch(None, asked(partition=partition), None, partition_down=False)
    assert ("--partition" in run[1]) == named and "" not in run[1]


class Resources(dict):
    """What a job asks, as Snakemake gives it."""

    __getattr__ = dict.get


def test_a_job_is_tried_with_the_words_of_the_plugin():
    resources = Resources(mem_mb=600, runtime=5, slurm_extra="'--nice=9'")
    job = SimpleNamespace(resources=resources, threads=1, is_group=lambda: True)
    words = submission(job, asked(account="my lab"), None)
    assert words[0] == "sbatch" and "--nice=9" in words and words[words.index("-A") + 1] == "my lab"
    resources["slurm_extra"] = "--qos=night"
    with pytest.raises(WorkflowError, match="not allowed in the 'slurm_extra'"):
        submission(job, asked(), None)


def test_a_group_that_was_not_submitted_ends_as_failed():
    told = []

    class Executor:
        def run_job(self, job):
            try:
                raise FileNotFoundError("sacctmgr")
            except FileNotFoundError:
                raise AttributeError("'GroupJob' object has no attribute 'rule'")  # noqa: B904, as the plugin does

        def _report_job_error_threadsafe(self, info, msg):
            told.append(msg)

    end_refused_groups(Executor)
    Executor().run_job(SimpleNamespace())
    assert how_it_ended(told[0]) == "refused by sbatch: sacctmgr"


def test_later_attempts_get_the_part_that_the_limit_leaves():
    assert shares(asked(minutes=25), 60) == {3: 0.8}
    assert shares(asked(minutes=20), 60) == shares(asked(), None) == {}


def test_a_capped_rule_asks_for_no_more_than_its_part():
    rule = SimpleNamespace(resources={"runtime": Resource("runtime", lambda wildcards, attempt: 25 * attempt)})
    cap(rule, {3: 0.8})
    about = {"input": [], "threads": 1, "rulename": "scan", "async_run": None}
    assert [rule.resources["runtime"](None, attempt=attempt, **about) for attempt in (1, 2, 3)] == [25, 50, 60]


def test_nothing_is_asked_of_a_run_without_slurm(tmp_path):
    check_cluster(SimpleNamespace(executor_plugin=SimpleNamespace(name="local")), tmp_path)


def test_a_refusal_by_sbatch_is_told_in_its_words_with_its_call():
    words = how_it_ended(SBATCH)
    expected = "Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)"
    assert words == f"refused by sbatch: {expected} (asked with sbatch --parsable -t 360)"
    assert how_it_ended(SBATCH.partition("\n")[0] + "\n") == f"refused by sbatch: {expected}"
    failure = Failure(rule="brain_mask", name="", attempts=1, end=words, record=None, text="", log=None)
    assert failure.kind == REFUSED and failure.message == words and "profile" in advice(failure)
    assert "log:" not in paragraph(replace(failure, log="never/written.log"))


def test_the_message_of_a_group_reaches_the_listener(monkeypatch):
    from snakemake.jobs import GroupJob

    from workflow.lib.jobs.failed_jobs import GROUP_MESSAGE, FailedJobs, keep_group_messages

    heard, said = [], []
    monkeypatch.setattr(GroupJob, "log_error", lambda self, msg=None, **about: heard.append(about))
    keep_group_messages()
    GroupJob.log_error(None, SBATCH)
    assert heard == [{GROUP_MESSAGE: SBATCH}]
    jobs = FailedJobs(SimpleNamespace(say=said.append))
    begun = {
        "rule_name": "brain_mask",
        "wildcards": {"scan": "sub-01"},
        "log": [],
        "benchmark": None,
        "resources": None,
    }
    jobs.jobs[4] = SimpleNamespace(jobid=4, created=0.0, **begun)
    record = logging.makeLogRecord({"job_error_info": [{"jobid": 4}], "groupid": "scan", "aux_logs": [], **heard[0]})
    jobs.on_group_error(record)
    assert said == [f"failed: group scan of sub-01, attempt 1: {how_it_ended(SBATCH)}"]


def test_a_storage_provider_is_refused_with_a_way():
    check_storage(None)
    with pytest.raises(ValueError, match="--default-storage-provider fs: expected none"):
        check_storage("fs")


def test_a_command_that_names_a_storage_provider_is_refused_before_planning():
    storage = SimpleNamespace(default_storage_provider="fs")
    workflow = SimpleNamespace(
        is_main_process=True, storage_settings=storage, config_settings=SimpleNamespace(config_args=())
    )
    with pytest.raises(ValueError, match="--default-storage-provider fs"):
        understood({}, workflow)
    workflow.is_main_process = False  # a job that the run starts
    assert understood({"a": 1}, workflow) == {"a": 1}
