"""Results are never written into the data, and a folder that cannot be made is refused with a sentence."""

import pytest

from workflow.lib.setup.results_folder import check_results_folder


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
