from workflow.lib.planning.stale import stale_files, tell_stale

FILES = [
    "sub-01.html",
    "sub-02.html",
    "sub-020.html",
    "report.html",
    "work/sub-02/sub-02_stack.npz",
    "logs/subject_page_sub-02.log",
    "derivatives/qnet/sub-03/ses-1/anat/sub-03_ses-1_run-2_Chimap.nii.gz",
    "check/sub-02.json",
    "bids/sub-02/anat/sub-02_echo-1_part-mag_MEGRE.nii.gz",
]


def write(root):
    for file in FILES:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def test_files_of_scans_outside_the_run_are_found(tmp_path):
    write(tmp_path)
    found = stale_files(tmp_path, ["sub-01", "sub-020", "sub-03_ses-1_run-1"])
    assert {scan: [str(path.relative_to(tmp_path)) for path in files] for scan, files in found.items()} == {
        "sub-02": ["logs/subject_page_sub-02.log", "sub-02.html", "work/sub-02/sub-02_stack.npz"],
        "sub-03_ses-1_run-2": ["derivatives/qnet/sub-03/ses-1/anat/sub-03_ses-1_run-2_Chimap.nii.gz"],
    }


def test_a_run_without_them_says_nothing(tmp_path, capsys):
    write(tmp_path)
    tell_stale(tmp_path, ["sub-01", "sub-02", "sub-020", "sub-03_ses-1_run-2"])
    assert capsys.readouterr().err == ""
