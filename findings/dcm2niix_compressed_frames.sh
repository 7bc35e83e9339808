#!/usr/bin/env bash
# dcm2niix mixes the echoes of a compressed Philips enhanced file.
#
# An enhanced file may store its frames in any order; DimensionIndexValues (0020,9157) tell which place and echo each
# has. dcm2niix 1.0.20260724 puts the frames of an uncompressed Philips file in the order of these indices. The same
# file compressed without loss (RLE here; JPEG-LS does the same) is converted in the order of storage, although echo
# times and positions are still sorted by the indices: where frames are stored slice by slice, every image is made of
# slices of all echoes, under the echo time of one. The exit status is 0. A warning advises to decompress "if
# conversion fails", but it is the same for files that come out right: those whose frames are stored echo by echo.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "dcm2niix==1.0.20260724" "pydicom==3.0.2" "numpy==2.4.6" "nibabel==5.4.2"

cat > images.py <<'PYTHON'
"""Three echoes of four slices in one file; every voxel of a frame is 100 × echo + slice."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

ECHOES, SLICES = (1, 2, 3), (1, 2, 3, 4)
STACK, ECHO = (0x00209057, 0x00209111), (0x00189082, 0x00189114)  # an index and the sequence that holds it


def dataset(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def frame(echo, k):
    return dataset(
        FrameContentSequence=[dataset(StackID="1", InStackPositionNumber=k, DimensionIndexValues=[k, echo])],
        PlanePositionSequence=[dataset(ImagePositionPatient=[0, 0, 2 * k])],
        PlaneOrientationSequence=[dataset(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[dataset(PixelSpacing=[2, 2], SliceThickness=2, SpacingBetweenSlices=2)],
        MREchoSequence=[dataset(EffectiveEchoTime=5.0 * echo)],
        MRImageFrameTypeSequence=[dataset(ComplexImageComponent="MAGNITUDE")],
        PixelValueTransformationSequence=[dataset(RescaleSlope=1, RescaleIntercept=0, RescaleType="US")],
    )


def write(path, order, compressed):
    d = dataset(
        Modality="MR", Manufacturer="Philips", ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        PatientName="", PatientID="phantom", PatientPosition="HFS", StudyDate="20201231", StudyTime="101500",
        StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid(), FrameOfReferenceUID=generate_uid(),
        SOPClassUID=EnhancedMRImageStorage, SOPInstanceUID=generate_uid(), SeriesNumber=1, InstanceNumber=1,
        MagneticFieldStrength=3, MRAcquisitionType="3D", SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0, Rows=8, Columns=8,
        NumberOfFrames=len(order), PerFrameFunctionalGroupsSequence=[frame(*which) for which in order],
    )
    timing = dataset(FlipAngle=15, RepetitionTime=30)
    d.SharedFunctionalGroupsSequence = [dataset(MRTimingAndRelatedParametersSequence=[timing])]
    d.DimensionIndexSequence = [
        dataset(DimensionIndexPointer=index, FunctionalGroupPointer=group) for index, group in (STACK, ECHO)
    ]
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = d.SOPClassUID, d.SOPInstanceUID
    voxels = np.stack([np.full((8, 8), 100 * echo + k, np.uint16) for echo, k in order])
    d.PixelData = voxels.tobytes()
    if compressed:
        d.compress(RLELossless, generate_instance_uid=False)
        assert np.array_equal(d.pixel_array, voxels)
    path.parent.mkdir(parents=True)
    d.save_as(path, enforce_file_format=True)


by_slice = [(echo, k) for k, echo in product(SLICES, ECHOES)]
for name, order in ("by_echo", list(product(ECHOES, SLICES))), ("by_slice", by_slice):
    for kind in ("plain", "rle"):
        write(Path(sys.argv[1], f"{name}_{kind}", "x.dcm"), order, kind == "rle")
PYTHON
env/bin/python images.py dicom

for name in by_echo_plain by_echo_rle by_slice_plain by_slice_rle; do
    mkdir -p "out/$name"
    env/bin/dcm2niix -b y -ba n -f "echo%e" -z n -o "out/$name" "dicom/$name" >"out/$name.log"
done
env/bin/python - <<'PYTHON' | tee seen
import json
from pathlib import Path

import nibabel

for folder in sorted(path for path in Path("out").iterdir() if path.is_dir()):
    for path in sorted(folder.glob("*.nii")):
        te_s = json.loads(path.with_suffix(".json").read_text())["EchoTime"]
        print(folder.name, te_s, *(int(value) for value in nibabel.load(path).dataobj[4, 4]))
    log = folder.with_suffix(".log").read_text()
    print(folder.name, "warned" if "if conversion fails decompress" in log else "not warned")
PYTHON
diff seen - <<'EXPECTED'
by_echo_plain 0.005 101 102 103 104
by_echo_plain 0.01 201 202 203 204
by_echo_plain 0.015 301 302 303 304
by_echo_plain not warned
by_echo_rle 0.005 101 102 103 104
by_echo_rle 0.01 201 202 203 204
by_echo_rle 0.015 301 302 303 304
by_echo_rle warned
by_slice_plain 0.005 101 102 103 104
by_slice_plain 0.01 201 202 203 204
by_slice_plain 0.015 301 302 303 304
by_slice_plain not warned
by_slice_rle 0.005 101 201 301 102
by_slice_rle 0.01 202 302 103 203
by_slice_rle 0.015 303 104 204 304
by_slice_rle warned
EXPECTED
