"""Broken datasets are refused with file, expectation and finding, or taken in with the right phase, times and field.

A tiny dataset whose complex signal is known is broken in one to three ways: header fields, datatype, byte order, bytes
of files and of compressed files, sidecars, names, exchanged, missing and special files, values of the phase. Whatever
the intake accepts must be the truth: phase [rad] modulo 2 pi, magnitude in proportion, echo times [s], field [T],
voxel size and direction of B0 as an independent reader finds them in the header on disk. Nothing may hang, warn, or
raise anything but IntakeError.

Outside of this claim is what no reader of the files could tell; each is freed where its mutation is defined:

- a plausible value instead of the true one in every sidecar or header alike: an echo time, a field strength, an affine
- the phase's sign, where the Manufacturer is changed; one constant added to the phase
- scales and levels of magnitude, real and imaginary part; of the phase, a change of less than 3 %
- two images of one part exchanged (the echoes' order), or of the real and the imaginary part
- voxels of an uncompressed file that were overwritten, and floats read as integers of the same size
- phase without its surroundings (masked) that is rescaled in one echo only
"""

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recon.intake.index import index
from tests.recon.intake.fuzz_dataset import CASES, Dataset, good_files, judge
from tests.recon.intake.fuzz_mutations import MUTATIONS, Field


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return {case: good_files(case, tmp_path_factory.mktemp("good")) for case in CASES}


def judged(case, files, mutations) -> int:
    """Number of accepted series of the broken dataset, which are right."""
    dataset = Dataset(case=case, files=dict(files))
    for mutation in mutations:
        mutation.apply(dataset)
    with tempfile.TemporaryDirectory() as folder:
        return judge(dataset, Path(folder))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_unbroken_dataset_is_taken_in(good, case):
    assert judged(case, good[case], []) == 1


@settings(max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
def test_a_broken_dataset_is_refused_or_right(good, case, mutations):
    judged(case, good[case], mutations)


def test_a_gigantic_image_is_refused_before_memory_is_taken(good, tmp_path):
    case = CASES[0]
    dataset = Dataset(case=case, files=dict(good[case]))
    for axis in (1, 2, 3):
        Field("dim", axis, 30000, None).apply(dataset)
    dataset.write(tmp_path)
    tracemalloc.start()
    scans, problems = index(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not scans
    assert "bytes for (30000, 30000, 30000) voxels" in str(problems["sub-01"][0])
    assert peak < 20e6
