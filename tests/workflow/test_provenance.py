from workflow.lib.record import provenance
from workflow.lib.record.provenance import code


def test_a_script_carries_the_modules_that_it_reaches_and_no_others():
    files = set(code("workflow/scripts/local_field.py"))
    assert {
        "workflow/scripts/local_field.py",
        "recon/background/stage.py",
        "recon/background/boundary.py",
        "recon/maths/kernels.py",
        "recon/files/io.py",
    } <= files
    assert not {"recon/inversion/stage.py", "recon/relaxation/stage.py"} & files
    assert not any(f.startswith("qnet/") for f in files)


def test_data_files_count_as_well():
    assert "resources/nuclei.tsv" in code("workflow/scripts/locate_nuclei.py", "resources/nuclei.tsv")


def test_only_meaning_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "HOME", tmp_path)

    def hash_of(text):
        (tmp_path / "x.py").write_text(text)
        provenance.fingerprint.cache_clear()
        return code("x.py")["x.py"]

    plain = hash_of('def f(a):\n    """Doc."""\n    return a + 1\n')
    assert plain == hash_of('# comment\ndef f( a ):\n    """Other."""\n\n    return (a+1)\n')
    assert plain != hash_of("def f(a):\n    return a + 2\n")
    provenance.fingerprint.cache_clear()
