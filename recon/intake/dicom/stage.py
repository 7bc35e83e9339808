"""The files of a visit made ready for the converter: unpacked, decoded, each image once, its slices in order.

Where the frames of an enhanced file are compressed the converter takes them in stored order, whatever their headers
say; and it sorts the frames of some vendors only. Files that need nothing are handed on as they are.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from recon.intake.dicom.bytes import archive_kind, is_zip, sources
from recon.intake.dicom.decode import decoded
from recon.intake.dicom.frames import GROUPS, PLAIN, BrokenHeader, File, Frame, read_file
from recon.intake.dicom.repeats import repeated
from recon.intake.layout import PARTS
from recon.problems import IntakeError, Problem

FEW = 2  # series of one image each that share a number: localizers and screen shots may
READY, UNPACKED = "ready", "unpacked"  # folders


@dataclass(kw_only=True)
class Staged:
    """What lies ready.

    Parameters
    ----------
    frames : every slice, at the place where it lies now, by SeriesInstanceUID, of which each repetition gets its own
    faults : why a series must not be used, by SeriesInstanceUID
    numbers : series number by SeriesInstanceUID, of series with a fault too
    odd : files that belong to no series, each by its place, by the reason why they are not read
    files, whole : number of DICOM files with an image, and of those that are complete
    """

    frames: dict[str, list[Frame]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    odd: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    files: int = 0
    whole: int = 0

    @property
    def remarks(self) -> list[str]:
        """A sentence for each reason why files are not read."""
        more = {
            reason: f" and {len(places) - 1} more" if len(places) > 1 else "" for reason, places in self.odd.items()
        }
        return [f"{places[0]}{more[reason]}: {reason}" for reason, places in self.odd.items()]

    def blame(self, uid: str, number: int, reason: str) -> None:
        """Enter a fault of a series; of several the first is told."""
        self.numbers[uid] = number
        self.faults.setdefault(uid, reason)


def stage(visit: Path, folder: Path, name: str) -> Staged:
    """Make the files of a visit ready in a folder.

    Parameters
    ----------
    visit : folder with DICOM files
    folder : an empty folder; `folder/READY` is what the converter must be given
    name : of the visit in messages
    """
    unpacked, ready = folder / UNPACKED, folder / READY
    unpacked.mkdir()
    ready.mkdir()
    staged = Staged()
    series = _read(visit, unpacked, staged, name)
    count = 0
    for uid, files in series.items():
        parts = repeated([frame for file in files for frame in file.frames], _pixels)
        if parts.fault:
            staged.blame(uid, files[0].number, parts.fault)
        for run, frames in enumerate(parts.runs):
            own = uid if len(parts.runs) == 1 else _of_run(uid, run)
            staged.numbers[own] = files[0].number
            if uid in staged.faults:
                staged.faults[own] = staged.faults[uid]
            for file, kept in _by_file_and_echo(frames):
                count += 1
                target = ready / f"{count:06d}.dcm"
                staged.frames.setdefault(own, []).extend(_write(file, kept, own, target, staged, name))
    _native.cache_clear()
    _content.cache_clear()
    return staged


def _of_run(uid: str, run: int) -> str:
    """SeriesInstanceUID of a repetition, 64 characters at most; those of a series sort as they were acquired."""
    return f"{generate_uid(entropy_srcs=[uid])[:60]}.{100 + run}"


def _read(visit: Path, unpacked: Path, staged: Staged, name: str) -> dict[str, list[File]]:
    """The files with an image by SeriesInstanceUID."""
    series: defaultdict[str, list[File]] = defaultdict(list)
    of_no_series: list[str] = []
    for source in sources(visit, unpacked):
        where = place_of(source.order, name)
        try:
            file = read_file(source)
        except BrokenHeader as error:
            staged.files += 1
            staged.odd[str(error)].append(where)
            continue
        if file is None:
            if is_zip(source.path):
                expected = "a zip archive that can be unpacked, as it may hold a part of a series"
                raise IntakeError([Problem(where, expected, "one that is damaged, encrypted or packed too often")])
            if kind := archive_kind(source.path):
                staged.odd[f"packed as {kind}, which is not read: unpack it"].append(where)
            continue
        staged.files += 1
        if not file.uid:
            of_no_series.append(where)
        series[file.uid].append(file)
        if file.broken:
            staged.blame(file.uid, file.number, f"{file.broken}: {where}")
        else:
            staged.whole += 1
    if of_no_series:  # any series may lack them
        expected = "a SeriesInstanceUID (0020,000E), equal in all images of a series (an anonymiser must leave one)"
        found = f"none; {len(of_no_series)} of {staged.files} files have none"
        raise IntakeError([Problem(of_no_series[0], expected, found)])
    return series


def scattered(staged: Staged, where: str) -> list[Problem]:
    """A problem for every series number whose images have a SeriesInstanceUID each, as some anonymisers make them."""
    uids: defaultdict[int, list[str]] = defaultdict(list)
    for uid, frames in staged.frames.items():
        if len(frames) == 1 and frames[0].place is not None:
            uids[staged.numbers[uid]].append(uid)
    expected = "one SeriesInstanceUID (0020,000E) for all images of a series (an anonymiser may have made them anew: "
    expected += "let it give equal identifiers for equal ones)"
    return [
        Problem(f"{where}, series {number}", expected, f"{len(found)} of them, for one image each")
        for number, found in sorted(uids.items())
        if len(found) > FEW
    ]


def place_of(order: int, name: str) -> str:
    """A file named by its place, since its name may be a person's."""
    command = f"find {name} ! -type d | LC_ALL=C sort | sed -n {order}p"
    return f"file {order} of the folder {name} in the order of names ({command})"


def _by_file_and_echo(frames: Sequence[Frame]) -> list[tuple[File, list[Frame]]]:
    """Frames by their file, in the order of the files; by echo as well where the converter cannot tell these apart."""
    found: dict[tuple[File, float | None], list[Frame]] = {}
    for frame in frames:
        together = frame.file.vendor is not None and frame.file.vendor.echoes_in_one_file
        found.setdefault((frame.file, None if together else frame.te_s), []).append(frame)
    return [(file, sorted(kept, key=lambda f: f.index)) for (file, _), kept in found.items()]


def _write(file: File, kept: list[Frame], uid: str, target: Path, staged: Staged, name: str) -> list[Frame]:
    """Make one file ready, and tell its frames at their new places."""
    ordered = in_order(kept) if file.enhanced else kept
    same = [frame.index for frame in ordered] == list(range(len(file.frames))) and uid == file.uid
    same = same and (not file.enhanced or file.told == len(file.frames))
    plain = file.syntax in PLAIN and not file.bare and not (file.enhanced and file.syntax != ExplicitVRLittleEndian)
    if same and plain and not file.broken:
        target.symlink_to(file.source.path.resolve())
        moved = replace(file, source=file.source._replace(path=target))
    else:
        try:
            _rewrite(file, [frame.index for frame in ordered], uid, target)
        except IntakeError:  # no decoder runs
            raise
        except Exception:  # whatever a decoder raises; its text may hold a value of the header
            staged.whole -= 1
            where = place_of(file.source.order, name)
            undecoded = f"pixels that cannot be decoded ({file.syntax.name})"
            staged.blame(uid, file.number, f"{undecoded}: {where}")
            file = replace(file, broken=undecoded)
            try:
                _rewrite(file, [frame.index for frame in ordered], uid, target)
            except Exception:  # not even its header can be written
                target.unlink(missing_ok=True)
                return []
        source = file.source._replace(path=target)
        moved = replace(file, source=source, syntax=ExplicitVRLittleEndian, bare=False, broken="")
    return [replace(frame, file=moved, index=index) for index, frame in enumerate(ordered)]


def in_order(frames: Sequence[Frame]) -> list[Frame]:
    """Frames image by image, each along its normal; in their own order where that is so already, up or down.

    A magnitude comes first in any case, since the converter may take the first frame's private scale for all parts.
    """
    images = [frame.image for frame in frames]
    starts = [i for i, (before, image) in enumerate(pairwise(images), 1) if image != before]
    blocks = [frames[a:b] for a, b in pairwise([0, *starts, len(frames)])]
    together = len(blocks) == len(set(images)) and _rank(frames[0])[0] == min(_rank(frame)[0] for frame in frames)
    if together and all(_monotonic([frame.height_mm for frame in block]) for block in blocks):
        return list(frames)
    return sorted(frames, key=lambda frame: (_rank(frame), frame.height_mm))


def _rank(frame: Frame) -> tuple:
    """Order of images: by part, echo time and flip angle."""
    part, te_s, _, flip_deg = frame.image
    return PARTS.index(part) if part in PARTS else len(PARTS), te_s or 0.0, flip_deg or 0.0


def _monotonic(values: Sequence[float]) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _rewrite(file: File, indices: Sequence[int], uid: str, target: Path) -> None:
    """Write some frames of a file, decoded, as explicit little endian."""
    content = _content(file)
    pixels = _native(file)[list(indices)]
    made = Dataset()
    made.update(content)
    # what is the same is then written as it was read, without being parsed
    implicit, little_endian = content.original_encoding
    made.set_original_encoding(implicit, little_endian, content.original_character_set)
    made.file_meta = getattr(content, "file_meta", FileMetaDataset())
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    changed: dict[str, object] = {"SeriesInstanceUID": uid}
    if file.enhanced:
        if len(indices) < len(file.frames):  # a part of the file is another image, which needs a name of its own
            name, first = str(content.get("SOPInstanceUID")), min(indices)
            changed["SOPInstanceUID"] = generate_uid(entropy_srcs=[name, str(first)])
            changed["InstanceNumber"] = int(content.get("InstanceNumber") or 1) + first
        changed["NumberOfFrames"] = len(indices)
        changed[GROUPS[1]] = [content[GROUPS[1]].value[i] for i in indices]
    for name, value in changed.items():  # as new elements: the others are those of the file, which is needed again
        made.add_new(name, dictionary_VR(name), value)
    made.add_new("PixelData", "OW", np.ascontiguousarray(pixels).tobytes())
    # not `made.save_as`, which refuses big-endian elements: they are turned, but for bulk data, which nothing reads
    dcmwrite(target, made, implicit_vr=False, little_endian=True, enforce_file_format=True)


@lru_cache(maxsize=1)
def _content(file: File) -> Dataset:
    """Everything in a file, without the pixels where they are truncated."""
    return dcmread(file.source.path, force=True, stop_before_pixels=bool(file.broken))


@lru_cache(maxsize=1)
def _native(file: File) -> np.ndarray:
    """(frames, rows, columns) pixels as stored, little endian; zeros where some are missing: such a series is not used.

    It is converted all the same, since whether it would have been used decides whether the visit is refused.
    """
    content = _content(file)
    samples = int(content.get("SamplesPerPixel") or 1)
    kind = f"{'i' if content.get('PixelRepresentation') else 'u'}{content.BitsAllocated // 8}"
    if file.broken:
        return np.zeros((len(file.frames), content.Rows, content.Columns * samples), f"<{kind}")
    if file.syntax.is_compressed:
        pixels = decoded(file.source.path)
    else:
        pixels = np.frombuffer(content.PixelData, f"{'<' if file.syntax.is_little_endian else '>'}{kind}")
    of_frame = content.Rows * content.Columns * samples
    whole = pixels.ravel()[: pixels.size // of_frame * of_frame]  # an odd number of bytes is padded
    return whole.reshape(-1, content.Rows, content.Columns * samples).astype(f"<{kind}", copy=False)


def _pixels(frame: Frame) -> bytes | None:
    """The pixels of a frame; None where they are broken."""
    try:
        return None if frame.file.broken else stored(frame).tobytes()
    except IntakeError:  # no decoder runs
        raise
    except Exception:  # whatever a decoder raises
        return None


def stored(frame: Frame) -> np.ndarray:
    """(rows, columns) pixels of a frame as they are stored."""
    return _native(frame.file)[frame.index]
