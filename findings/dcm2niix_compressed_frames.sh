#!/usr/bin/env bash
# dcm2niix takes the frames of a compressed enhanced DICOM file in stored order, whatever their headers tell.
#
# An enhanced file of two echoes may store its frames slice by slice, the echoes innermost, as Philips does; each frame
# tells its echo time, its place and its index. dcm2niix 1.0.20260724 sorts the frames of an uncompressed file by these.
# If the same pixels are compressed without loss (RLE here), it cuts them in stored order: the first half of the stored
# frames becomes echo 1, the other half echo 2. Half of the slices of each echo are then of the other one, and most lie at
# a wrong place. Names, shapes and echo times are those of the right conversion. It warns of "8 fragments: if conversion
# fails decompress", and the conversion does not fail.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "dcm2niix==1.0.20260724" "pydicom==3.0.2" "numpy==2.4.6"

env/bin/python - <<'PYTHON'
"""Two echoes of four slices of a made-up gradient echo; slice k of echo e holds 100 * e + k, once not compressed."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid


def item(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def groups(k, echo):
    return item(
        FrameContentSequence=[item(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[k + 1, echo])],
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2 * k])],
        MREchoSequence=[item(EffectiveEchoTime=5.0 * echo)],
        MRImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"], ComplexImageComponent="MAGNITUDE")],
        PixelValueTransformationSequence=[item(RescaleSlope="1", RescaleIntercept="0", RescaleType="US")],
    )


frames = [(k, echo) for k in range(4) for echo in (1, 2)]  # slice by slice
d = Dataset()
d.file_meta = FileMetaDataset()
d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = EnhancedMRImageStorage
d.SOPInstanceUID, d.StudyInstanceUID, d.SeriesInstanceUID = (generate_uid() for _ in range(3))
d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
d.Modality, d.Manufacturer, d.ImageType = "MR", "Philips", ["ORIGINAL", "PRIMARY", "M", "NONE"]
d.PatientName, d.PatientID, d.PatientPosition = "", "phantom", "HFS"
d.SeriesNumber, d.InstanceNumber, d.NumberOfFrames = 1, 1, len(frames)
d.SharedFunctionalGroupsSequence = [item(
    PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    PixelMeasuresSequence=[item(PixelSpacing=[2, 2], SliceThickness=2, SpacingBetweenSlices=2)],
    MRTimingAndRelatedParametersSequence=[item(RepetitionTime=30.0, FlipAngle=15.0)],
)]
d.DimensionIndexSequence = [
    item(DimensionIndexPointer=0x00209057, FunctionalGroupPointer=0x00209111),
    item(DimensionIndexPointer=0x00189082, FunctionalGroupPointer=0x00189114),
]
d.PerFrameFunctionalGroupsSequence = [groups(k, echo) for k, echo in frames]
d.Rows = d.Columns = 16
d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
d.PixelData = np.stack([np.full((16, 16), 100 * echo + k, "<u2") for k, echo in frames]).tobytes()
for name in ("plain", "compressed"):
    Path("dicom", name).mkdir(parents=True)
    if name == "compressed":
        d.compress(RLELossless, generate_instance_uid=False)
    d.save_as(Path("dicom", name, "0.dcm"), enforce_file_format=True)
PYTHON

for name in plain compressed; do
    mkdir -p "out/$name"
    env/bin/dcm2niix -b y -z n -f x -o "out/$name" "dicom/$name" >/dev/null
done
env/bin/python - <<'PYTHON' | tee seen
"""The value of every slice, of either order along the file."""

import json
from pathlib import Path

import numpy as np

for name in ("plain", "compressed"):
    for path in sorted(Path("out", name).glob("*.nii")):
        voxels = np.frombuffer(path.read_bytes()[352:], "<u2").reshape(4, -1)
        te_ms = 1000 * json.loads(path.with_suffix(".json").read_text())["EchoTime"]
        print(f"{name}, {te_ms:g} ms: {voxels[:, 0].tolist()}")
PYTHON
diff seen - <<'EXPECTED'
plain, 5 ms: [100, 101, 102, 103]
plain, 10 ms: [200, 201, 202, 203]
compressed, 5 ms: [100, 200, 101, 201]
compressed, 10 ms: [102, 202, 103, 203]
EXPECTED
