from recon.problems import Problem


def test_a_message_is_one_line_that_can_be_written_whatever_the_name_of_the_file():
    text = str(Problem("sub-01 é/a\nb\udcff.nii", "an image", "none"))
    assert text == "sub-01 é/a\\nb\\udcff.nii: expected an image, found none"
    assert text.encode()
