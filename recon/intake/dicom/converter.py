"""dcm2niix, the converter (10.1016/j.jneumeth.2016.03.001). What it prints is never shown: it may hold a name."""

import shutil
import subprocess
from pathlib import Path

from recon.intake.dicom.images import NAME_FORMAT
from recon.problems import IntakeError, Problem

# sidecars without dates and patient fields, plain NIfTI, integers as stored, Philips true values, nothing cropped,
# no settings from the user's home, deepest search that the converter offers
OPTIONS = "-g i -b y -ba y -z n -l o -p y -x n -i n -w 2 -d 9"


def find_converter() -> str:
    """Path of the dcm2niix binary: that of the Python package, else one on PATH."""
    try:
        from dcm2niix import bin as packaged
    except ImportError:
        packaged = ""
    binary = shutil.which(packaged) if packaged else None
    if binary := binary or shutil.which("dcm2niix"):
        return binary
    raise IntakeError(
        [Problem("dcm2niix", "the converter (pip install dcm2niix)", "none, neither package nor on PATH")]
    )


def run_converter(converter: str, source: Path, target: Path) -> None:
    """Run the converter; what it could not read is told by what is not there, since what it prints may hold a name."""
    command = [converter, *OPTIONS.split(), "-f", NAME_FORMAT, "-o", str(target), str(source.resolve())]
    subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
