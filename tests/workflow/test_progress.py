"""The line of progress, fed with records as Snakemake's logger makes them."""

import io

import pytest

from tests.workflow.recorded_run import NOON, Run
from workflow.lib.jobs.listener import Screen
from workflow.lib.jobs.progress import Work, benchmark_seconds, line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_tells_jobs_work_and_time_left():
    run = Run(io.StringIO())
    run.begin(map=10, train=2)
    for number in range(5):
        run.start(60 * number, number, "map")
        run.finish(60 * (number + 1), number)
    assert run.lines[-1].startswith("5 of 12 jobs · 41 % of the work · 5 min so far, about 7 min left (")


def test_what_rules_have_cost_counts_and_not_their_number():
    work = Work({"map": 10, "train": 2}, {"map": 1.0, "train": 45.0})
    work.finished["map"], work.seconds["map"] = 10, [4.0] * 10  # this computer takes four times what the costs say
    share, left_s = work.estimate(40.0, [])
    assert share == pytest.approx(0.1)
    assert left_s == pytest.approx(360.0)


def test_unfinished_jobs_count_by_their_age():
    work = Work({"train": 4})
    work.finished["train"], work.seconds["train"] = 1, [100.0]
    share, left_s = work.estimate(100.0, [("train", 50.0), ("train", 250.0)])
    assert share == pytest.approx(2.5 / 4)  # what takes longer than usual may end at any moment
    assert left_s == pytest.approx(100.0 * 1.5 / 2.5)


def test_a_rule_that_nobody_knows_takes_at_least_as_long_as_it_has_run():
    work = Work({"map": 1, "train": 10})
    work.finished["map"], work.seconds["map"] = 1, [1.0]
    assert work.estimate(600.0, [("train", 600.0)])[1] == pytest.approx(5391, abs=1)


def test_jobs_of_a_group_cost_what_their_benchmarks_say(tmp_path):
    benchmark = tmp_path / "job.tsv"
    benchmark.write_text("s\th:m:s\n30.5\t0:00:30\n")
    assert benchmark_seconds(str(benchmark)) == 30.5
    run = Run(io.StringIO())
    run.begin(map=2, join=1)
    run.start(0, 0, "map", str(benchmark), grouped=True)
    run.start(0, 1, "join", str(tmp_path / "none.tsv"), grouped=True)
    run.finish(900, 0)
    run.finish(900, 1)  # 15 minutes in the queue
    assert run.watch.progress.work.seconds == {"map": [30.5]}


def test_a_log_file_gets_few_lines_and_the_last_one():
    run = Run(io.StringIO())
    run.begin(map=30)
    for number in range(30):
        run.start(number, number, "map")
        run.finish(number + 1, number)
    assert len(run.lines) == 3 + 1
    assert run.lines[-1] == "30 of 30 jobs · done in 30 s"
    assert "\r" not in run.stream.getvalue()
    assert "\x1b" not in run.stream.getvalue()


def test_a_failed_run_ends_with_the_last_line():
    run = Run(io.StringIO())
    run.begin(map=30)
    for number in range(3):
        run.start(number, number, "map")
        run.finish(number + 1, number)
    run.watch.failed()
    assert run.lines[1].startswith("3 of 30 jobs · 10 % of the work")


def test_on_a_terminal_messages_take_the_place_of_the_line():
    run = Run(Terminal())
    run.begin(map=3)
    run.start(0, 0, "map")
    run.finish(1, 0)
    run.tell(2, message="a warning")
    shown, _, rest = run.stream.getvalue().partition("\r")
    assert shown.startswith("1 of 3 jobs")
    assert rest == " " * len(shown) + "\ra warning\n"


def test_snakemake_does_not_count_aloud_beside_it():
    run = Run(io.StringIO())
    run.begin(map=3)
    run.tell(0, message="Select jobs to execute...")
    run.tell(0, "job_started", "Execute 1 jobs...", jobs=[0])
    run.tell(0, message="left out: sub-07")
    run.start(0, 0, "map")
    run.finish(1, 0)
    assert run.lines == ["left out: sub-07", "1 of 3 jobs · 33 % of the work · 1 s so far"]


@pytest.mark.parametrize("asked", [{"quiet": ["progress"]}, {"quiet": ["all"]}, {"dryrun": True}, {"verbose": True}])
def test_it_is_silent_where_snakemake_was_asked_to_be_or_to_speak(asked):
    run = Run(io.StringIO(), **asked)
    run.begin(map=1)
    run.start(0, 0, "map")
    run.finish(1, 0)
    assert not [text for text in run.lines if "of 1 jobs" in text]


def test_an_error_in_it_leaves_the_run_alone_and_snakemake_its_words():
    run = Run(io.StringIO())
    run.begin(map=2)
    run.finish(1, 99)  # a job that never began
    run.tell(2, "progress", "1 of 2 steps (50%) done", done=1, total=2)
    assert run.lines[-1] == "1 of 2 steps (50%) done"


def test_a_closed_terminal_ends_nothing():
    screen = Screen(io.StringIO())
    run = Run(screen.stream)
    run.begin(map=1)
    run.start(0, 0, "map")
    run.watch.progress.screen = Screen(io.StringIO())
    run.watch.progress.screen.stream.close()
    run.finish(1, 0)


def test_a_long_run_tells_the_day_of_its_end():
    assert line(1, 9, 0.1, 3600.0, 86400.0, NOON)[-10:-6].strip(" (") in "Mon Tue Wed Thu Fri Sat Sun"
