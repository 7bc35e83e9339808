"""Maps pushed to a PACS, Orthanc of Debian's packages on the loopback address, come back with values and places."""

import io
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pydicom
import pytest

from recon.export.scan import QUANTITIES
from recon.files.io import read_volume
from tests.recon.intake.synthetic_dicom import oblique_affine
from tests.recon.test_export_dicom import LABEL, export, placed, write_run

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def asked(url: str, body: bytes | None = None) -> bytes:
    with urlopen(Request(url, data=body), timeout=PATIENCE_S) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Address of an archive that is empty, and ends with the tests."""
    if not ORTHANC:
        pytest.skip("needs Orthanc (Debian's package orthanc)")
    folder, port = tmp_path_factory.mktemp("orthanc"), free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"), "HttpPort": port,
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(int(PATIENCE_S / 0.1)):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def test_every_map_comes_back_with_its_values_and_places(pacs, tmp_path):
    run = write_run(tmp_path / "run", oblique_affine())
    out = export(run, tmp_path / "out")
    files = sorted(out.rglob("*.dcm"))
    for path in files * 2:  # what is sent twice is kept once
        asked(f"{pacs}/instances", path.read_bytes())
    instances = json.loads(asked(f"{pacs}/instances"))
    series = [json.loads(asked(f"{pacs}/series/{one}")) for one in json.loads(asked(f"{pacs}/series"))]
    assert len(instances) == len(files)
    assert len(json.loads(asked(f"{pacs}/studies"))) == 1 and len(series) == len(QUANTITIES)
    of_number = {quantity.number: quantity for quantity in QUANTITIES.values()}
    seen = dict.fromkeys(of_number, 0)
    for name in instances:
        image = pydicom.dcmread(io.BytesIO(asked(f"{pacs}/instances/{name}/file")))
        quantity = of_number[int(image.SeriesNumber)]
        volume = read_volume(Path(f"{run / LABEL}_{quantity.suffix}.nii.gz"))
        slope = float(image.RescaleSlope)
        truth = placed(image, volume.affine, volume.data) * quantity.factor
        assert np.abs(image.pixel_array * slope - truth).max() <= slope / 2 * (1 + 1e-6)
        seen[int(image.SeriesNumber)] += image.Rows * image.Columns
    assert set(seen.values()) == {volume.data.size}
