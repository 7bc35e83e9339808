"""What a training run is made of: its settings and its files, as functions that Snakemake calls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.io import expand
from snakemake.iocontainers import Wildcards

from qnet.harmonise import harmonises_windows
from qnet.networks.heads.registry import encoder_heads, reads_located
from recon.problems import to_type
from workflow.lib.home import HOME
from workflow.lib.run import Run
from workflow.lib.setup.inputs import Function
from workflow.lib.setup.variants import MAIN, image_run

SHIPPED = str(HOME / "resources" / "encoder.safetensors")
SHARED = ("precision", "augment_on", "augmentation")  # of stage 1, which pre-training takes over


class LearningInputs:
    """Inputs and params of the rules that train and predict, for each variant.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def _settings(self, wildcards: Wildcards) -> dict:
        return self.run.runs[wildcards.variant]

    def _weights(self, wildcards: Wildcards) -> str:
        """Where a run's image models start from."""
        return _start(self._settings(wildcards), wildcards["input"])

    @property
    def pretraining(self) -> dict:
        """What pre-training depends on."""
        cfg = self.run.cfg
        return {
            "normalise": cfg["normalise"],
            "training": cfg["pretrain"] | {key: cfg["train_image_model"][key] for key in SHARED},
            "seed": self.run.seeds[0],
        }

    def initial_weights(self, wildcards: Wildcards) -> list[str]:
        """Input function: the file that stage 1 starts from, if the user gives one."""
        return self._checked(_files(self._weights(wildcards)))

    def every_start(self, wildcards: Wildcards) -> list[str]:
        """Input function: nothing; files of weights that a diagnosis would miss are reported."""
        if self.run.diagnosed:
            for settings in self.run.runs.values():
                for name in settings["runs"]["inputs"]:
                    self._checked(_files(_start(settings, name)))
        return []

    def _checked(self, files: list[str]) -> list[str]:
        """The files, unless one is not there and target `pretrain` of this run does not make it."""
        pretrained = [self.run.paths.learning(f"encoder_{name}.safetensors") for name in self.run.inputs]
        made = pretrained if self.run.simulated else []
        if missing := [file for file in files if file not in made and not Path(file).is_file()]:
            raise WorkflowError(
                f"train_image_model.weights: expected none, imagenet, shipped or a file (target `pretrain` of a "
                f"simulated cohort makes some), found no file {missing[0]}: "
                f"{to_type('train_image_model.weights', 'shipped')}"
            )
        return files

    def encoder(self, wildcards: Wildcards) -> list[str]:
        """Input function: the same where the scan model reads it."""
        stage = self._settings(wildcards)["train_scan_model"]
        return self.initial_weights(wildcards) if encoder_heads(stage) else []

    def image_stage(self, wildcards: Wildcards) -> dict:
        """Param function: what stage 1 depends on."""
        settings = self._settings(wildcards)
        combat = {"combat": settings["combat"]} if harmonises_windows(settings) else {}
        return combat | {
            "normalise": settings["normalise"],
            "training": settings["train_image_model"] | {"weights": self._weights(wildcards)},
            "labels": settings["runs"]["labels"],
        }

    def of_windows(self, features: Function) -> Function:
        """Input function: what harmonised windows are estimated from, where a run has some."""
        return lambda wildcards: features(wildcards) if harmonises_windows(self._settings(wildcards)) else []

    def of_located(self, files: Function) -> Function:
        """Input function: what a head that reads the located nuclei needs besides, where a run has one."""

        def needed(wildcards):
            return files(wildcards) if reads_located(self._settings(wildcards)["train_scan_model"]) else []

        return needed

    def inner_stage(self, wildcards: Wildcards) -> dict:
        """Param function: the same for the image models of inner folds."""
        inner_folds = self._settings(wildcards)["train_scan_model"]["inner_folds"]
        return self.image_stage(wildcards) | {"inner_folds": inner_folds}

    def embedding(self, wildcards: Wildcards) -> dict:
        """Param function: what the embeddings depend on."""
        stage = self._settings(wildcards)["train_scan_model"]
        return {key: stage[key] for key in ("features", "copies", "inner_folds")}

    def scan_stage(self, wildcards: Wildcards) -> dict:
        """Param function: what stage 2 depends on."""
        settings = self._settings(wildcards)
        return {"training": settings["train_scan_model"], "labels": settings["runs"]["labels"]}

    def image_model(self, pattern: str) -> Callable[[Wildcards], str]:
        """Input function: a file of the image model that a run uses, which another run may have trained."""

        def file(wildcards):
            return pattern.format(**{**wildcards, "variant": image_run(self.run.runs, wildcards.variant)})

        return file

    def inner_models(self, pattern: str) -> Function:
        """Input function: the image models of the inner folds, where stage 2 learns out of fold."""

        def files(wildcards):
            stage = self._settings(wildcards)["train_scan_model"]
            inner = range(stage["inner_folds"]) if stage["features"] == "out_of_fold" else []
            return expand(pattern, **wildcards, inner=inner)

        return files

    def folds_of(self, pattern: str, variant: str = MAIN) -> list[str]:
        """The files of all inputs, seeds and folds of a run."""
        runs = self.run.runs[variant]["runs"]
        return expand(pattern, variant=[variant], input=runs["inputs"], seed=runs["seeds"], fold=self.run.folds)

    def first_seed(self, pattern: str) -> list[str]:
        """The files of all folds of the main run's first seed; other wildcards stay."""
        return expand(pattern, variant=MAIN, seed=self.run.seeds[0], fold=self.run.folds, allow_missing=True)

    def of_variants(self, pattern: str) -> Function:
        """Input function: the files of all inputs, seeds and folds of the variant that `{name}` stands for."""
        return lambda wildcards: self.folds_of(pattern, f"variants/{wildcards.name}/")


def _start(settings: Mapping, name: str) -> str:
    """Where the image models of a run and an input start from; `{input}` in a path stands for the input."""
    return settings["train_image_model"]["weights"].replace("{input}", name)


def _files(weights: str) -> list[str]:
    """The file that a setting of weights means, if it means one."""
    return [] if weights in ("none", "imagenet") else [SHIPPED if weights == "shipped" else weights]


def only_simulated(wildcards: Any) -> list[str]:
    """Input function of a target that needs the truth."""
    raise WorkflowError("pretrain: expected a simulated cohort (bids_dir: null), found your own data")
