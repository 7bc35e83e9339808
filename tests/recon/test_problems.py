import pickle

from recon.problems import IntakeError, Problem, ProblemError

PROBLEM = Problem("sub-01.json", "EchoTime [seconds]", "none")


def test_a_message_is_one_line_that_can_be_written_whatever_the_name_of_the_file():
    text = str(Problem("sub-01 é/a\nb\udcff.nii", "an image", "none"))
    assert text == "sub-01 é/a\\nb\\udcff.nii: expected an image, found none"
    assert text.encode()


def test_an_error_is_its_problems_in_words_and_as_json():
    assert str(ProblemError([PROBLEM])) == "sub-01.json: expected EchoTime [seconds], found none"
    assert str(IntakeError([PROBLEM])).splitlines() == ["the input cannot be used:", f"  - {PROBLEM}"]
    content = {"file": "sub-01.json", "expected": "EchoTime [seconds]", "found": "none"}
    assert IntakeError([PROBLEM]).as_dict() == {"problems": [content]}
    assert Problem(**content) == PROBLEM


def test_an_error_that_crosses_processes_keeps_its_problems():
    copied = pickle.loads(pickle.dumps(IntakeError([PROBLEM])))
    assert (type(copied), copied.problems, str(copied)) == (IntakeError, (PROBLEM,), str(IntakeError([PROBLEM])))
