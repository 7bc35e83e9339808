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
        code.cache_clear()
        return code("x.py")["x.py"]

    plain = hash_of('def f(a):\n    """Doc."""\n    return a + 1\n')
    assert plain == hash_of('# comment\ndef f( a ):\n    """Other."""\n\n    return (a+1)\n')
    assert plain != hash_of("def f(a):\n    return a + 2\n")
    provenance.fingerprint.cache_clear()
    code.cache_clear()


def test_a_text_that_the_folder_remembers_is_not_parsed_again(tmp_path, monkeypatch):
    def parsed(content):
        return provenance._hash(content), []

    def fingerprint():
        provenance.fingerprint.cache_clear()
        provenance._remembered.cache_clear()
        return provenance.fingerprint("x.py")[0]

    (tmp_path / "x.py").write_text("a = 1\n")
    monkeypatch.setattr(provenance, "HOME", tmp_path)
    monkeypatch.setattr(provenance, "MEMORY", tmp_path / "memory.json")
    first = fingerprint()
    provenance._remember()
    monkeypatch.setattr(provenance, "_parsed", parsed)
    assert fingerprint() == first
    (tmp_path / "x.py").write_text("a = 2\n")
    assert fingerprint() == provenance._hash(b"a = 2\n") != first
    (tmp_path / "memory.json").write_text("[broken")
    assert fingerprint() != first
    provenance.fingerprint.cache_clear()
    provenance._remembered.cache_clear()
