"""Where files are below results/<dataset>/ or the folder that `output_dir` names, in the entity order of BIDS."""

from collections.abc import Mapping
from pathlib import Path

VIEWER = "viewer"  # folder beside the pages


def anat(name: str) -> str:
    """A scan's anatomical file inside any BIDS dataset: `sub-01/ses-02/anat/sub-01_ses-02_…`."""
    return f"{{folder}}/anat/{{scan}}_{name}"


def user_datasets(derivatives: str | Mapping[str, str] | None, bids_dir: str | Path) -> dict[str, str]:
    """Folder of each dataset of the user by the name that BIDS URIs give it; one without a name is `user`."""
    if isinstance(derivatives, Mapping):
        return dict(derivatives)
    return {"user": derivatives or f"{bids_dir}/derivatives"}


def bids_uri(file: str | Path, datasets: Mapping[str, str]) -> str | None:
    """`bids:NAME:…` of a file, from the first dataset that contains it; None if none does."""
    for name, folder in datasets.items():
        if Path(file).is_relative_to(folder):
            return f"bids:{name}:{Path(file).relative_to(folder).as_posix()}"
    return None


class Paths:
    """Path patterns of one dataset; `{folder}`, `{scan}`, `{variant}`, `{input}`, `{seed}` and `{fold}` stay wildcards.

    `{variant}` is empty for the main run and `variants/<name>/` for a variant.
    """

    def __init__(self, dataset: str, output_dir: str | None = None) -> None:
        self.root = Path(output_dir).as_posix() if output_dir else f"results/{dataset}"

    def raw(self, name: str) -> str:
        """A file of the simulated raw dataset."""
        return f"{self.root}/rawdata/{name}"

    def converted(self) -> str:
        """The raw dataset that DICOM became; no rule makes its files."""
        return f"{self.root}/bids"

    def raw_image(self, part: str, echo: int, acq: str | None = None) -> str:
        """A simulated echo image."""
        label = f"acq-{acq}_" if acq else ""
        return self.raw(anat(f"{label}echo-{echo}_part-{part}_MEGRE.nii.gz"))

    def truth(self, name: str) -> str:
        """A file of the simulation's ground truth."""
        return self.raw(f"derivatives/ground-truth/{name}")

    def truth_map(self, name: str) -> str:
        """A ground truth map of a scan."""
        return self.truth(anat(f"{name}.nii.gz"))

    def work(self, name: str) -> str:
        """A stage's output between raw data and maps."""
        return "/".join([self.root, "work", "{folder}", f"{{scan}}_{name}"])

    def derivative(self, name: str) -> str:
        """A file of the derivative dataset."""
        return f"{self.root}/derivatives/qnet/{name}"

    def map(self, name: str) -> str:
        """A map of a scan in the derivative dataset."""
        return self.derivative(anat(name))

    def page(self) -> str:
        """The page of a scan."""
        return f"{self.root}/{{scan}}.html"

    def viewer(self, name: str = "{scan}.js") -> str:
        """A file of the viewer, by default the images of a scan."""
        return f"{self.root}/{VIEWER}/{name}"

    def page_warnings(self) -> str:
        """What that page warns of, for the report."""
        return "/".join([self.root, "work", "{scan}_warnings.json"])

    def prediction(self) -> str:
        """The prediction of a trained run for a scan, for the table."""
        return "/".join([self.root, "work", "{scan}_prediction.json"])

    def fold(self, name: str) -> str:
        """A file of one trained fold."""
        return f"{self.root}/qnet/{{variant}}{{input}}/seed-{{seed}}/fold-{{fold}}/{name}"

    def learning(self, name: str) -> str:
        """A file of the learning system that no single fold owns."""
        return f"{self.root}/qnet/{name}"

    def table(self, name: str) -> str:
        return f"{self.root}/tables/{name}.tsv"

    def figure(self, name: str) -> str:
        return f"{self.root}/figures/{name}.png"

    def log(self, rule: str, *wildcards: str) -> str:
        """The log of a rule's job."""
        return f"{self.root}/logs/{'_'.join([rule, *(f'{{{w}}}' for w in wildcards)])}.log"

    def benchmark(self, rule: str, *wildcards: str) -> str:
        """Seconds and memory of a rule's job."""
        return f"{self.root}/benchmarks/{'_'.join([rule, *(f'{{{w}}}' for w in wildcards)])}.tsv"

    def fold_log(self, rule: str, *wildcards: str) -> str:
        """The log of a rule's job for one fold."""
        return self.log(f"{{variant}}{rule}", "input", "seed", "fold", *wildcards)

    def fold_benchmark(self, rule: str, *wildcards: str) -> str:
        """Seconds and memory of a rule's job for one fold."""
        return self.benchmark(f"{{variant}}{rule}", "input", "seed", "fold", *wildcards)

    def scan_log(self, rule: str) -> str:
        """The log of a rule's job for one scan."""
        return f"{self.root}/logs/{{folder}}/{{scan}}_{rule}.log"

    def scan_benchmark(self, rule: str) -> str:
        """Seconds and memory of a rule's job for one scan."""
        return f"{self.root}/benchmarks/{{folder}}/{{scan}}_{rule}.tsv"
