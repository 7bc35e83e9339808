#!/usr/bin/env bash
# dcm2niix writes a time of acquisition for images that have none.
#
# Anonymisers often empty AcquisitionTime (0008,0032) and leave AcquisitionDate (0008,0022). For such images dcm2niix
# 1.0.20260724 makes the time out of the digits of the date: of 2020-12-31 it writes "AcquisitionTime":
# "20:20:1231.000000", which is no time of day, and the same in AcquisitionDateTime. Where the element is absent, it
# writes neither; where it is told, both are right. Whoever pairs or orders images by the sidecar's AcquisitionTime
# finds all of them acquired at once.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "dcm2niix==1.0.20260724" "pydicom==3.0.2" "numpy==2.4.6"

env/bin/python - <<'PYTHON'
"""Four slices of a made-up gradient echo, with AcquisitionTime empty, absent and told."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

for name, time in (("empty", ""), ("absent", None), ("told", "101500.000000")):
    folder = Path("dicom", name)
    folder.mkdir(parents=True)
    study, series, frame = (generate_uid() for _ in range(3))
    for index in range(4):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = MRImageStorage
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.Modality, d.Manufacturer, d.ImageType = "MR", "SIEMENS", ["ORIGINAL", "PRIMARY", "M"]
        d.PatientName, d.PatientID = "", "phantom"
        d.StudyDate = d.SeriesDate = d.AcquisitionDate = "20201231"
        d.StudyTime = "101112.000000"
        if time is not None:
            d.AcquisitionTime = time
        d.SeriesNumber, d.AcquisitionNumber, d.InstanceNumber = 1, 1, index + 1
        d.EchoTime, d.RepetitionTime, d.FlipAngle, d.MagneticFieldStrength = 5.0, 30.0, 15.0, 3.0
        d.ScanningSequence, d.MRAcquisitionType = "GR", "3D"
        d.ImagePositionPatient, d.ImageOrientationPatient = [0.0, 0.0, 2.0 * index], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness = [2.0, 2.0], 2.0
        d.Rows = d.Columns = 8
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
        d.PixelData = np.arange(64, dtype="<u2").tobytes()
        d.save_as(folder / f"{index}.dcm", enforce_file_format=True)
PYTHON

for name in empty absent told; do
    mkdir -p "out/$name"
    env/bin/dcm2niix -b y -ba n -f x -o "out/$name" "dicom/$name" >/dev/null
    echo "$name: $(grep -oE '"AcquisitionTime": *"[^"]*"' "out/$name/x.json" || echo 'no AcquisitionTime')"
done | tee seen
diff seen - <<'EXPECTED'
empty: "AcquisitionTime": "20:20:1231.000000"
absent: no AcquisitionTime
told: "AcquisitionTime": "10:15:00.000000"
EXPECTED
