"""What may leave a DICOM header: physics. Everything that could tell who was scanned, where or when stays behind.

Profile: keep a short list of keys, rather than drop a list of identifying ones, since dcm2niix's own anonymisation
keeps free text (descriptions, comments, station, serial number) and the time of the scan.
"""

import shutil
from pathlib import Path

import numpy as np

from recon.files.io import read_volume
from recon.files.packed import packing
from recon.intake.vendors import KEYS

PHYSICS = """
Manufacturer ManufacturersModelName MagneticFieldStrength ImagingFrequency ImagedNucleus ResonantNucleus
NonlinearGradientCorrection LossyImageCompression MRAcquisitionType ScanningSequence SequenceVariant ScanOptions
PulseSequenceType ImageType ImageTypeText
EchoTime EchoTrainLength RepetitionTime RepetitionTimeExcitation FlipAngle NumberOfAverages
MTState SpoilingState SpoilingType
SliceThickness SpacingBetweenSlices PixelBandwidth DwellTime WaterFatShift
PartialFourier PhaseResolution PhaseOversampling PercentPhaseFOV PercentSampling BaseResolution
Interpolation2D Interpolation3D AcquisitionMatrixPE ReconMatrixPE PhaseEncodingSteps
PhaseEncodingStepsNoPartialFourier PhaseEncodingStepsOutOfPlane FrequencyEncodingSteps AcquisitionVoxelSize
ParallelReductionFactorInPlane ParallelReductionFactorOutOfPlane ParallelAcquisitionTechnique
PhaseEncodingAxis PhaseEncodingDirection InPlanePhaseEncodingDirectionDICOM ImageOrientationPatientDICOM
ConversionSoftware ConversionSoftwareVersion
"""
KEPT = {*PHYSICS.split(), *KEYS}
HEADER_BYTES = 348
# text fields of a NIfTI-1 header, first byte and length: data_type, db_name, descrip (echo and scan time),
# aux_file (dcm2niix writes the comment there), intent_name
TEXTS = ((4, 10), (14, 18), (148, 80), (228, 24), (328, 16))
PI_TOLERANCE = 0.01


def sidecar(facts: dict, units: str | None) -> dict:
    """The facts that may leave, and `Units` for a phase image."""
    kept = {key: value for key, value in facts.items() if key in KEPT}
    return kept | ({"Units": units} if units else {})


def phase_units(image: Path, facts: dict) -> str:
    """`rad` where the converter scaled a Philips phase to true values and both ends of the range say so.

    True value = (stored × rescale slope + rescale intercept) / (rescale slope × scale slope) (PMC3998685): the smallest
    stored value, 0, must become -π. Every other phase keeps the scanner's values (Siemens ±4096, GE milliradian).
    """
    slope, scale = facts.get("PhilipsRescaleSlope"), facts.get("PhilipsScaleSlope")
    if not (facts.get("UsePhilipsFloatNotDisplayScaling") == 1 and slope and scale):
        return "arbitrary"
    lowest_rad = facts.get("PhilipsRescaleIntercept", 0) / (slope * scale)
    data = read_volume(image).data
    inside = np.abs(data).max() <= np.pi + PI_TOLERANCE
    return "rad" if abs(lowest_rad + np.pi) < PI_TOLERANCE and inside else "arbitrary"


def copy_without_texts(source: Path, target: Path) -> None:
    """Compress a NIfTI-1 file, voxels byte for byte, with every text field of its header blank."""
    # no name and no time in the gzip header either
    with source.open("rb") as plain, target.open("wb") as file:
        header = bytearray(plain.read(HEADER_BYTES))
        for start, length in TEXTS:
            header[start : start + length] = bytes(length)
        with packing(file) as packed:
            packed.write(header)
            shutil.copyfileobj(plain, packed)
