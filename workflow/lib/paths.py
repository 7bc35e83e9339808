"""Where files lie below results/<dataset>/, in the entity order of BIDS."""

SUBJECT = "sub-{subject}"


def anat(name: str) -> str:
    """A subject's anatomical file inside any BIDS dataset."""
    return f"{SUBJECT}/anat/{SUBJECT}_{name}"


class Paths:
    """Path patterns of one dataset; `{subject}`, `{input}`, `{seed}` and `{fold}` stay wildcards."""

    def __init__(self, dataset: str) -> None:
        self.root = f"results/{dataset}"

    def raw(self, name: str) -> str:
        """A file of the simulated raw dataset."""
        return f"{self.root}/rawdata/{name}"

    def raw_image(self, part: str, echo: int, acq: str | None = None) -> str:
        """A simulated echo image."""
        label = f"acq-{acq}_" if acq else ""
        return self.raw(anat(f"{label}echo-{echo}_part-{part}_MEGRE.nii.gz"))

    def truth(self, name: str) -> str:
        """A file of the simulation's ground truth."""
        return self.raw(f"derivatives/ground-truth/{name}")

    def truth_map(self, name: str) -> str:
        """A ground truth map of a subject."""
        return self.truth(anat(f"{name}.nii.gz"))

    def work(self, name: str) -> str:
        """A stage's output between raw data and maps."""
        return "/".join([self.root, "work", SUBJECT, f"{SUBJECT}_{name}"])

    def derivative(self, name: str) -> str:
        """A file of the derivative dataset."""
        return f"{self.root}/derivatives/qnet/{name}"

    def map(self, name: str) -> str:
        """A map of a subject in the derivative dataset."""
        return self.derivative(anat(name))

    def fold(self, name: str) -> str:
        """A file of one trained fold."""
        return f"{self.root}/qnet/{{input}}/seed-{{seed}}/fold-{{fold}}/{name}"

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
