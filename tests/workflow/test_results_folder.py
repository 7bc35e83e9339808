"""Results are never written into the data, and a folder that cannot be made is refused with a sentence."""

import os

import pytest

from workflow.lib.setup.results_folder import check_results_folder, check_writable


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a dataset `study`, a file, and a link to itself, which is the current one."""
    (tmp_path / "study/derivatives").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "alias").symlink_to("study")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    return tmp_path


@pytest.mark.parametrize("root", ["results/x", "my results/x y", "study/derivatives/qnet", "study2"])
def test_a_folder_beside_the_data_or_in_its_derivatives_is_taken(place, root):
    check_results_folder(root, root, ["study"])


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ("study", "expected results (--config output_dir=FOLDER) outside of the dataset"),
        ("study/results/x", "expected results (--config output_dir=FOLDER) outside of the dataset"),
        ("alias/out", "expected results (--config output_dir=FOLDER) outside of the dataset"),
        ("~/my out", "--config 'output_dir=/home/me/my out', found ~/my out, which only a shell expands"),
        ("$HOME/out", "--config output_dir=/home/me/out, found"),
        ("out/{scan}", "other than { and }"),
        ("file", "file: no folder"),
        ("file/out", "file: no folder"),
        ("loop/out", "loop"),
    ],
)
def test_others_are_refused(place, root, sentence):
    with pytest.raises(ValueError) as refused:
        check_results_folder(root, root, ["study"])
    assert sentence in str(refused.value)


def test_a_file_in_place_of_results_is_told_with_the_setting_that_helps(place):
    (place / "results").touch()
    with pytest.raises(
        ValueError, match=r"dataset results/x: .* made, --config output_dir=FOLDER, found .*: no folder"
    ):
        check_results_folder("results/x", None, [])


def test_a_folder_without_permission_is_refused_before_jobs_but_not_to_those_who_look(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    check_writable("new")
    with pytest.raises(ValueError, match=r"output_dir new: .* --config output_dir=FOLDER, found .*: no permission"):
        check_results_folder("new", "new", [])
    check_results_folder("study", "study", [])
    with pytest.raises(ValueError, match=r"study: .* --config output_dir=FOLDER, found no permission"):
        check_writable("study")
