import numpy as np
import pandas as pd
import pytest

from benchmarks.beside import differing, told
from benchmarks.growth import exponent, grown
from benchmarks.one_scan import interpolated
from benchmarks.usage import command_usage, compared, snakemake

SNAKEFILE = """
rule all:
    input: "spent.txt"

rule spend:
    output: "spent.txt"
    script: "spend.py"
"""
SPEND = """
import time
held = bytearray(300_000_000)
while time.process_time() < 0.5:
    pass
open(snakemake.output[0], "w").close()
"""


def test_every_process_of_a_run_tells_what_it_cost(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "spend.py").write_text(SPEND)
    table = command_usage(snakemake(), tmp_path)
    assert list(table.index) == ["spend", "snakemake", "jobs", "command"]
    assert table.loc["spend", "jobs"] == 1
    assert 0.5 <= table.loc["spend", "cpu_s"] < table.loc["command", "cpu_s"]
    assert table.loc["spend", "peak_mb"] > 300 > table.loc["snakemake", "peak_mb"]
    assert table.loc["command", "wall_s"] > 0


def test_a_command_that_fails_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="expected success"):
        command_usage(["sh", "-c", "echo no >&2; false"], tmp_path)


def test_shares_are_of_the_whole_command_and_the_dearest_job_comes_first():
    columns = ["jobs", "cpu_s", "peak_mb", "wall_s"]
    rows = {
        "small": [1, 1.0, 10, None],
        "large": [2, 3.0, 20, None],
        "jobs": [3, 4.0, 20, None],
        "command": [None, 5.0, 30, 6],
    }
    before = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table = compared([before], [before.assign(cpu_s=before["cpu_s"] / 2)])
    assert list(table.index) == ["large", "small", "jobs", "command"]
    assert table.loc["large", "share_after"] == pytest.approx(0.6)
    assert table.loc["command", "cpu_s_ratio"] == 0.5


def test_files_that_differ_between_two_builds_are_named_and_end_in_an_error(tmp_path, capsys):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, texts in ((one, {"same": "a", "else": "b", "lost": "c"}), (other, {"same": "A", "else": "B", "x": ""})):
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.tsv").write_text(text)
    assert differing(one, other, "*.tsv") == ["else.tsv", "lost.tsv", "same.tsv", "x.tsv"]
    unlike = differing(one, other, "*.tsv", lambda path: path.read_bytes().lower())
    assert unlike == ["lost.tsv", "x.tsv"]
    usage = pd.DataFrame({"jobs": [1, 1], "cpu_s": [2.0, 3.0], "peak_mb": 9, "wall_s": [None, 4]}, ["jobs", "command"])
    runs, table = {"before": [usage], "after": [usage]}, tmp_path / "results/table.tsv"
    assert (told(runs, unlike, "voxels", table), told(runs, [], "voxels", table)) == (1, 0)
    assert capsys.readouterr().out.count("expected the same voxels in both builds, found others") == 2
    assert pd.read_csv(table, sep="\t")["cpu_s_ratio"].tolist() == [1, 1]


def test_the_exponent_of_a_power_is_found():
    table = grown("voxels", [(n, 2 * n**1.5, 7.0) for n in (1.0, 2.0, 4.0, 8.0)])
    assert table["cpu_s_exponent"].tolist() == pytest.approx([1.5] * 4)
    assert table["peak_mb_exponent_last"].tolist() == pytest.approx([0] * 4)
    assert exponent(table["size"].to_numpy(), table["size"].to_numpy() ** 2) == pytest.approx(2)


def test_a_finer_scan_has_the_phase_and_the_extent_of_the_scan():
    phase = np.broadcast_to(np.linspace(-3, 3, 8), (2, 3, 8))
    magnitude, finer = interpolated(np.full(phase.shape, 5.0), phase, 2)
    assert magnitude.shape == (4, 6, 16)
    assert finer[1, 2].reshape(-1, 2).mean(axis=1)[1:-1] == pytest.approx(phase[0, 0, 1:-1], abs=1e-2)
    assert (magnitude > 4.5).all()
