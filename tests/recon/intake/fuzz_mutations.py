"""Ways to break a tiny dataset: each changes files, and says what no reader could tell any more."""

import gzip
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.recon.intake.fuzz_dataset import FOLDER, SHAPE, Dataset, values

HEADER = nib.nifti1.header_dtype
START = 352  # first byte of the voxels
SAME = 0.03  # relative change of a scale that is too small to be seen
DATATYPES = {2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64,
             1536: 128, 1792: 128}  # fmt: skip


def images(dataset: Dataset, part: str | None = None) -> list[str]:
    """Files that still hold an image, of one part or of both."""
    return [
        path
        for path, content in dataset.files.items()
        if isinstance(content, bytes) and ".nii" in path and (part is None or f"_part-{part}" in path)
    ]


def sidecars(dataset: Dataset) -> list[str]:
    return [path for path, content in dataset.files.items() if isinstance(content, bytes) and path.endswith(".json")]


def chosen(paths: list[str], which: int | None) -> list[str]:
    """One of the files, or all of them where `which` is None."""
    return paths if which is None or not paths else [paths[which % len(paths)]]


def part_of(path: str) -> str:
    return path.partition("_part-")[2].partition("_")[0]


def unpacked(path: str, content: bytes) -> bytes | None:
    """The NIfTI file itself; None where a mutation broke the compressed one."""
    if not path.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return None


def edit(dataset: Dataset, path: str, change: Callable[[bytearray], None]) -> None:
    """Change the unpacked bytes of an image."""
    content = unpacked(path, dataset.files[path])
    if content is None or len(content) < START:
        return
    content = bytearray(content)
    change(content)
    dataset.files[path] = gzip.compress(bytes(content), 1) if path.endswith(".gz") else bytes(content)


class OfImages:
    """A change of the unpacked bytes of one image, or of all where `which` is None."""

    def apply(self, dataset: Dataset) -> None:
        for path in chosen(images(dataset), self.which):
            edit(dataset, path, lambda content, path=path: self.change(content, dataset, path))


@dataclass(frozen=True)
class Field(OfImages):
    """Set an element of a header field in one image or in all."""

    name: str
    place: int
    value: Any
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        header = np.frombuffer(content, HEADER, count=1)
        with np.errstate(all="ignore"):
            entry = header[self.name]
            if entry.ndim == 2:
                entry[0, self.place % entry.shape[1]] = self.value
            else:
                entry[0] = self.value


@dataclass(frozen=True)
class Forms(OfImages):
    """Move one form of the header: turned about the scanner's z axis, mirrored or shifted, with codes of both."""

    form: str
    degrees: float
    mirrored: bool
    shift_mm: float
    codes: tuple[int, int]
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        raw = np.frombuffer(content, HEADER, count=1)
        if raw["sizeof_hdr"][0] != HEADER.itemsize:  # another byte order
            return
        header = nib.Nifti1Header(raw.tobytes(), check=False)
        move = np.eye(4)
        move[:3, :3] = Rotation.from_euler("z", self.degrees, degrees=True).as_matrix()
        move[0] *= -1 if self.mirrored else 1
        move[:3, 3] = self.shift_mm
        try:
            affine = move @ header.get_sform()
            qform, sform = (affine if self.form == name else header.get_sform() for name in ("qform", "sform"))
            header.set_qform(qform, self.codes[0])
            header.set_sform(sform, self.codes[1])
        except Exception:  # another mutation broke the forms
            return
        raw[0] = np.frombuffer(header.binaryblock, HEADER, count=1)[0]


@dataclass(frozen=True)
class FiveAxes(OfImages):
    """A header of five axes, one of them of length 1: the same voxels in the same order."""

    last: bool
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        dim = np.frombuffer(content, HEADER, count=1)["dim"][0]
        if dim[0] in (3, 4):
            volumes = dim[4] if dim[0] == 4 else 1
            dim[0], dim[4:6] = 5, (volumes, 1) if self.last else (1, volumes)


@dataclass(frozen=True)
class Slope(OfImages):
    """Set scl_slope and scl_inter: of the phase the intake must see it; of other parts nobody can."""

    slope: float
    intercept: float
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        header = np.frombuffer(content, HEADER, count=1)[0]
        slope = float(header["scl_slope"])
        header["scl_slope"], header["scl_inter"] = self.slope, self.intercept
        part = part_of(path)
        if part == "phase":
            dataset.free.add("rescaled")
        if part == "mag":
            dataset.free.add("magnitude")
        elif part != "phase":
            dataset.free |= {"magnitude", "phase"}
        elif slope and abs(self.slope / slope - 1) < SAME:
            dataset.free.add("constant")


@dataclass(frozen=True)
class Datatype(OfImages):
    """Another datatype with its bitpix. Types of the same size that bits do not tell apart are left out for floats."""

    code: int
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        header = np.frombuffer(content, HEADER, count=1)[0]
        if header["datatype"] == 16 and DATATYPES[self.code] == 32 and part_of(path) != "phase":
            dataset.free |= {"magnitude"} if part_of(path) == "mag" else {"magnitude", "phase"}
        header["datatype"], header["bitpix"] = self.code, DATATYPES[self.code]


@dataclass(frozen=True)
class Endianness(OfImages):
    """Swap the bytes of the header, and of the voxels or not."""

    voxels: bool
    which: int | None

    def change(self, content: bytearray, dataset: Dataset, path: str) -> None:
        header = np.frombuffer(content, HEADER, count=1)
        bits = int(header["bitpix"][0])
        header[:] = header.byteswap()
        if self.voxels and bits in (16, 32, 64) and (len(content) - START) % (bits // 8) == 0:
            voxels = np.frombuffer(content, f"i{bits // 8}", offset=START)
            voxels[:] = voxels.byteswap()


@dataclass(frozen=True)
class Bytes:
    """Flip, cut, insert or append bytes of a file as it lies on disk; `at` is a share of its length."""

    action: str
    at: float
    junk: bytes
    which: int | None
    of: str

    def apply(self, dataset: Dataset) -> None:
        if self.of == "sidecars":  # the Manufacturer may be lost
            dataset.free.add("sign")
        for path in chosen(images(dataset) if self.of == "images" else sidecars(dataset), self.which):
            content = dataset.files[path]
            place = int(self.at * len(content))
            if self.action == "flip" and self.of == "images" and not path.endswith(".gz"):
                place = max(place, START)
                self._spoil(dataset, content, path, place)
            head, tail = content[:place], content[place:]
            flipped = bytes(a ^ b for a, b in zip(tail, self.junk, strict=False))
            dataset.files[path] = {
                "flip": head + flipped + tail[len(flipped) :],
                "cut": head,
                "remove": head + tail[len(self.junk) :],
                "insert": head + self.junk + tail,
                "append": content + self.junk,
            }[self.action]

    def _spoil(self, dataset: Dataset, content: bytes, path: str, place: int) -> None:
        """Voxels whose bytes are flipped in a file without checksum."""
        bits = int(np.frombuffer(content[:348].ljust(348, b"\0"), HEADER, count=1)["bitpix"][0])
        size = max(1, abs(bits) // 8)
        for byte in range(place, place + len(self.junk)):
            voxel = (byte - START) // size % int(np.prod(SHAPE))
            dataset.spoiled[np.unravel_index(voxel, SHAPE, order="F")] = True


@dataclass(frozen=True)
class Fact:
    """Set or remove a key of one sidecar or of all."""

    key: str
    value: Any
    which: int | None

    def apply(self, dataset: Dataset) -> None:
        if self.key == "Manufacturer":
            dataset.free.add("sign")
        for path in chosen(sidecars(dataset), self.which):
            try:
                told = json.loads(dataset.files[path])
            except (ValueError, RecursionError):
                continue
            if not isinstance(told, dict):
                continue
            told.pop(self.key, None)
            if self.value is not MISSING:
                told[self.key] = self.value
            dataset.files[path] = json.dumps(told).encode("utf-8", "surrogatepass")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True)
class EchoTimeUnit:
    """Echo times in milliseconds or microseconds, in one sidecar or in all."""

    factor: float
    which: int | None

    def apply(self, dataset: Dataset) -> None:
        for path in chosen(sidecars(dataset), self.which):
            try:
                told = json.loads(dataset.files[path])
                te = told["EchoTime"]
                told["EchoTime"] = [t * self.factor for t in te] if isinstance(te, list) else te * self.factor
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            dataset.files[path] = json.dumps(told).encode()


@dataclass(frozen=True)
class Text:
    """Change the text of a sidecar: a byte order mark, a key twice, deep nesting, other bytes."""

    how: str
    which: int | None

    def apply(self, dataset: Dataset) -> None:
        if "maker" in self.how:
            dataset.free.add("sign")
        for path in chosen(sidecars(dataset), self.which):
            dataset.files[path] = TEXTS[self.how](dataset.files[path])


def _inside(content: bytes, more: bytes, last: bool = True) -> bytes:
    """With one more entry, the last or the first."""
    text = content.strip()
    return text[:-1] + b", " + more + b"}" if last else b"{" + more + b", " + text[1:]


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "mark": lambda c: b"\xef\xbb\xbf" + c,
    "utf-16": lambda c: c.decode("utf-8", "replace").encode("utf-16"),
    "latin-1": lambda c: _inside(c, b'"Operator": "\xe4\xf6"'),
    "te twice, last": lambda c: _inside(c, b'"EchoTime": 0.017'),
    "te twice, first": lambda c: _inside(c, b'"EchoTime": 0.017', last=False),
    "b0 twice": lambda c: _inside(c, b'"MagneticFieldStrength": 7'),
    "units twice": lambda c: _inside(c, b'"Units": "rad"'),
    "nested 500": lambda c: _inside(c, b'"Private": ' + b"[" * 500 + b"]" * 500),
    "nested 900 units": lambda c: _inside(c, b'"Units": ' + b"[" * 900 + b"]" * 900),
    "nested 900 te": lambda c: _inside(c, b'"EchoTime": ' + b"[" * 900 + b"]" * 900),
    "nested 900 maker": lambda c: _inside(c, b'"Manufacturer": ' + b'{"a":' * 900 + b"1" + b"}" * 900),
    "nested 100000": lambda c: _inside(c, b'"Private": ' + b"[" * 100000 + b"]" * 100000),
    "long number": lambda c: _inside(c, b'"MagneticFieldStrength": ' + b"3" * 5000),
    "long integer": lambda c: _inside(c, b'"ImagingFrequency": ' + b"1" * 400),
    "infinite": lambda c: _inside(c, b'"RepetitionTime": 1e999'),
    "not a number": lambda c: _inside(c, b'"EchoTime": NaN'),
    "null": lambda c: b"null",
    "list": lambda c: b"[" + c + b"]",
    "empty": lambda c: b"",
    "zeros": lambda c: bytes(len(c)),
    "comma": lambda c: c.strip()[:-1] + b",}",
}


@dataclass(frozen=True)
class Rename:
    """Give a file another name, or a copy of it; its sidecar may go with it."""

    which: int
    old: str
    new: str
    with_sidecar: bool
    copy: bool

    def apply(self, dataset: Dataset) -> None:
        paths = sorted(p for p in dataset.files if isinstance(dataset.files[p], bytes))
        if not paths:
            return
        (path,) = chosen(paths, self.which)
        stem = path.partition(".")[0]
        for file in [p for p in paths if p == path or (self.with_sidecar and p.partition(".")[0] == stem)]:
            head, name = os.path.split(file)
            target = os.path.join(head, name.replace(self.old, self.new, 1))
            if target not in dataset.files:
                dataset.files[target] = dataset.files[file]
                if not self.copy:
                    del dataset.files[file]


NAMES = [
    ("_part-mag", "_part-phase"), ("_part-phase", "_part-mag"), ("_part-real", "_part-imag"), ("_part-phase", ""),
    ("part-mag", "part-Mag"), ("part-phase", "part-phas\u00e9"), ("_part", " _part"), ("sub-01", "sub-02"),
    ("sub-01", "Sub-01"), ("sub-01", "sub-01_ses-1"), ("_part", "_run-1_part"), ("_part", "_run-\u0661_part"),
    ("_part", "_acq-low_part"), ("_part", "_rec-x_part"), ("_part", "_part-mag_part"), ("_part", "__part"),
    ("echo-1", "echo-01"), ("echo-1", "echo-4"), ("echo-2", "echo-1"), ("echo-1", "echo-x"), ("echo-1", "echo-\u00b2"),
    ("echo-3", "echo-99999999999999999999"), ("_echo-2", ""), ("_MEGRE", "_VFA"), ("_MEGRE", "_megre"),
    ("_MEGRE", ""), ("MEGRE", "T1w"), (".nii", ".NII"), (".nii", ".img"), (".nii.gz", ".nii"), (".nii", ".nii.gz"),
    ("_part", "_ce-gd_part"), ("_part", "_task-rest_part"), ("_part", "_inv-1_part"), ("_part", "_mt-on_part"),
    ("_MEGRE", "_T2starw"), ("_MEGRE", "_MPM"), ("_T2starw", "_MEGRE"), (".nii", ".hdr"), ("_rec-norm", ""),
    ("_echo-1", "_echo-7"), (".json", ".JSON"),
    ("_MEGRE", "\n_MEGRE"), ("_MEGRE", "\udcff_MEGRE"), ("sub-01_", ""), ("sub-01", "sub-"),
    ("_echo-1_part-mag", ""), ("_echo-1", "_part-phase_echo-1"), ("sub-01", ".sub-01"),
]  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """Put the content of one file into another, or exchange the two.

    Two images of one part at other echo times, or the real part for the imaginary one, look as good as the right ones.
    """

    one: int
    other: int
    both: bool

    def apply(self, dataset: Dataset) -> None:
        paths = sorted(p for p in dataset.files if isinstance(dataset.files[p], bytes))
        if not paths:
            return
        (one,), (other,) = chosen(paths, self.one), chosen(paths, self.other)
        parts = {part_of(one), part_of(other)}
        if one != other and ".json" not in one + other:
            if parts <= {"real", "imag"}:
                dataset.free |= {"magnitude", "phase"}
            elif self.both and len(parts) == 1:
                dataset.free |= {"magnitude"} if parts == {"mag"} else {"phase"}
        first, second = dataset.files[one], dataset.files[other]
        dataset.files[other] = first
        if self.both:
            dataset.files[one] = second


@dataclass(frozen=True)
class Special:
    """Something else in the place of a file; "gone" removes it."""

    kind: str
    which: int | None

    def apply(self, dataset: Dataset) -> None:
        for path in chosen(sorted(dataset.files), self.which):
            if self.kind == "gone":
                del dataset.files[path]
            else:
                dataset.files[path] = self.kind


@dataclass(frozen=True)
class Extra:
    """Something more beside the images."""

    path: str
    kind: str

    def apply(self, dataset: Dataset) -> None:
        dataset.files.setdefault(self.path, b"{}" if self.kind == "file" else self.kind)


EXTRAS = [
    f"{FOLDER}/sub-01_part-phase_MEGRE.json", f"{FOLDER}/sub-01_mask.nii", f"{FOLDER}/sub-01_T1w.nii.gz",
    f"{FOLDER}/sub-01_echo-9_part-mag_MEGRE.nii", "MEGRE.json", "part-phase_MEGRE.json", "sub-01_MEGRE.json",
    "sub-01/sub-01_MEGRE.json", "sub-02", "sub-02/anat", "sub-02/anat/sub-02_MEGRE.nii", "sub-\u00e9", "sub-01/ses-1",
    "sub-01/ses-x y", "derivatives", "derivatives/mine", "derivatives/mine/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
    "derivatives/mine/dataset_description.json", "derivatives/mine/sub-01/anat/sub-01_mask.nii",
    f"{FOLDER}/sub-01_echo-1_part-mag_MEGRE.hdr", f"{FOLDER}/sub-01_part-phase_T1w.nii", "02/anat",
    "derivatives/sub-01", "participants.tsv",
]  # fmt: skip


@dataclass(frozen=True)
class Values:
    """Store other values of the phase (or of all parts): scaled, shifted, clipped, masked, rounded, of another type."""

    how: str
    number: float
    which: int | None
    dtype: str = "float32"

    def apply(self, dataset: Dataset) -> None:
        part = None if self.how in ("mask", "nan", "type") else "phase"
        for path in chosen(images(dataset, part), self.which):
            try:
                data = values(dataset.files[path], path)
            except Exception:  # another mutation broke the file
                continue
            if self.how == "shift" and abs(self.number) < 10:
                dataset.free.add("constant")
            dataset.free.add({"mask": "masked", "nan": "masked"}.get(self.how, "rescaled"))
            with np.errstate(all="ignore"):
                changed = CHANGES[self.how](data.astype(float), self.number)
                changed = changed.astype(self.dtype if "_part-phase" in path or _fits(changed, self.dtype) else "f4")
            if self.how in ("mask", "nan"):
                dataset.spoiled |= ~_ball(self.number)
            edit(dataset, path, lambda content, changed=changed: _store(content, changed))


def _store(content: bytearray, data: np.ndarray) -> None:
    """Put other voxels into an unpacked image; the rest of its header stays."""
    header = np.frombuffer(content, HEADER, count=1).copy()
    if header["sizeof_hdr"] != 348:  # another byte order
        return
    header["datatype"], header["bitpix"] = nib.nifti1.data_type_codes[data.dtype], 8 * data.dtype.itemsize
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 1, 0, START
    content[:] = header.tobytes() + bytes(START - HEADER.itemsize) + data.tobytes(order="F")


def _fits(data: np.ndarray, dtype: str) -> bool:
    """Whether a type holds all values; else whole numbers would wrap, which only phase shows."""
    return dtype.startswith("float") or bool((np.abs(data) < np.iinfo(dtype).max).all())


def _ball(radius: float) -> np.ndarray:
    radius = float(np.clip(abs(radius), 0.3, 1.2))
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return x**2 + y**2 + z**2 < radius**2


def _outside(data: np.ndarray, radius: float, value: float) -> np.ndarray:
    inside = _ball(radius)
    if data.shape[:3] != SHAPE:
        return data
    return np.where(inside if data.ndim == 3 else inside[..., None], data, value)


CHANGES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "scale": lambda d, n: d * n,
    "shift": lambda d, n: d + n,
    "clip": lambda d, n: np.clip(d, -abs(n), abs(n)),
    "clip below": lambda d, n: np.maximum(d, 0),
    "round": lambda d, n: np.rint(d),
    "type": lambda d, n: d,
    "mask": lambda d, n: _outside(d, n, 0),
    "nan": lambda d, n: _outside(d, n, np.nan),
}

_which = st.none() | st.integers(0, 11)
_floats = st.sampled_from(
    [0.0, -1.0, 1.0, 2.0, -2.0, 0.5, 1e-3, 1e3, 1e30, -1e30, 1e-30, np.nan, np.inf, 352.5, 368.0]
) | (st.floats(width=32))
_numbers = st.sampled_from([-32768, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 18, 20, 22, 23, 24, 32, 64, 128, 255, 30000, 32767])
_INT_FIELDS = {"sizeof_hdr": 1, "dim": 8, "bitpix": 1, "datatype": 1, "qform_code": 1, "sform_code": 1,
               "intent_code": 1, "slice_start": 1, "extents": 1}  # fmt: skip
_FLOAT_FIELDS = {"pixdim": 8, "vox_offset": 1, "quatern_b": 1, "quatern_c": 1, "quatern_d": 1, "qoffset_x": 1,
                 "srow_x": 4, "srow_y": 4, "srow_z": 4, "cal_max": 1, "slice_duration": 1}  # fmt: skip
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["0.005", "nan", "3T", "ms", "rad", "mrad", "Siemens", "GE", "Philips", 10**400, -0.0]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_KEYS = ["EchoTime", "MagneticFieldStrength", "ImagingFrequency", "Units", "Manufacturer", "FlipAngle",
         "RepetitionTime", "RepetitionTimeExcitation", "B0_dir", "PhilipsRescaleSlope", "Other"]  # fmt: skip


def _in_all(value: Any) -> bool:
    """Whether a value of EchoTime or MagneticFieldStrength in all sidecars cannot be taken for a right one."""
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < 25 for v in parts)


@st.composite
def _facts(draw) -> Fact:
    key, value, which = draw(st.sampled_from(_KEYS)), draw(st.just(MISSING) | _json), draw(_which)
    told_by_value = key not in ("EchoTime", "MagneticFieldStrength", "ImagingFrequency") or _in_all(value)
    return Fact(key, value, which if told_by_value else (which or 0))


MUTATIONS = st.one_of(
    st.builds(Field, st.sampled_from(sorted(_INT_FIELDS)), st.integers(0, 7), _numbers, _which),
    st.builds(Field, st.sampled_from(sorted(_FLOAT_FIELDS)), st.integers(0, 7), _floats, _which),
    st.builds(Field, st.just("xyzt_units"), st.just(0), st.integers(0, 255), _which),
    st.builds(Field, st.just("magic"), st.just(0), st.sampled_from([b"ni1", b"n+2", b"", b"\xff\xff\xff\xff"]), _which),
    st.builds(
        Forms,
        st.sampled_from(["qform", "sform"]),
        st.sampled_from([0, 0.5, 3, 90, 180]),
        st.booleans(),
        st.sampled_from([0, 0.05, 1.5, 30]),
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        _which,
    ),
    st.builds(FiveAxes, st.booleans(), _which),
    st.builds(Slope, _floats, _floats | st.just(-4096.0), _which),
    st.builds(Datatype, st.sampled_from(sorted(DATATYPES)), _which),
    st.builds(Endianness, st.booleans(), _which),
    st.builds(
        Bytes,
        st.sampled_from(["flip", "cut", "remove", "insert", "append"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=40),
        st.integers(0, 11),
        st.sampled_from(["images", "images", "sidecars"]),
    ),
    _facts(),
    _facts(),
    st.builds(EchoTimeUnit, st.sampled_from([1e3, 1e6]), _which),
    st.builds(Text, st.sampled_from(sorted(TEXTS)), _which),
    st.sampled_from(NAMES).flatmap(
        lambda pair: st.builds(Rename, st.integers(0, 11), *map(st.just, pair), st.booleans(), st.booleans())
    ),
    st.builds(Exchange, st.integers(0, 11), st.integers(0, 11), st.booleans()),
    st.builds(Special, st.sampled_from(["gone", "folder", "loop", "dangling", "fifo"]), st.integers(0, 11)),
    st.builds(Extra, st.sampled_from(EXTRAS), st.sampled_from(["file", "folder", "loop", "dangling", "fifo"])),
    st.builds(
        Values,
        st.sampled_from(sorted(CHANGES)),
        st.sampled_from(
            [0.001, 0.1, 0.5, 2.0, 10.0, 1000.0, 180 / np.pi, np.pi, 3.0, 4096.0, -4096.0, 2048.0, 1.53455]
        ),
        _which,
        st.sampled_from(["float32", "float64", "int16", "int32", "uint16", "uint8"]),
    ),
)
