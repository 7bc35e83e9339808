# What a trained run is made of: its settings and its files. No rule stands here.

from qnet.networks.heads.registry import encoder_heads

SHARED = ("precision", "augment_on", "augmentation")  # of stage 1, which pre-training takes over
PRETRAINING = {
    "normalise": CFG["normalise"],
    "training": CFG["pretrain"] | {key: CFG["train_image_model"][key] for key in SHARED},
    "seed": SEEDS[0],
}


def weights_of(wildcards):
    """Where a run's image models start from; `{input}` in a path stands for the input."""
    return RUNS[wildcards.variant]["train_image_model"]["weights"].replace("{input}", wildcards["input"])


def initial_weights(wildcards):
    """Input function: the file that stage 1 starts from, if the user gives one."""
    return [weights for weights in [weights_of(wildcards)] if weights not in ("none", "imagenet")]


def encoder(wildcards):
    """Input function: the same where the scan model reads it."""
    stage = RUNS[wildcards.variant]["train_scan_model"]
    return initial_weights(wildcards) if encoder_heads(stage) else []


def image_stage(wildcards):
    """Param function: what stage 1 depends on."""
    settings = RUNS[wildcards.variant]
    return {
        "normalise": settings["normalise"],
        "training": settings["train_image_model"] | {"weights": weights_of(wildcards)},
        "labels": settings["runs"]["labels"],
    }


def inner_stage(wildcards):
    """Param function: the same for the image models of inner folds."""
    return image_stage(wildcards) | {"inner_folds": RUNS[wildcards.variant]["train_scan_model"]["inner_folds"]}


def embedding(wildcards):
    """Param function: what the embeddings depend on."""
    stage = RUNS[wildcards.variant]["train_scan_model"]
    return {key: stage[key] for key in ("features", "copies", "inner_folds")}


def scan_stage(wildcards):
    """Param function: what stage 2 depends on."""
    settings = RUNS[wildcards.variant]
    return {"training": settings["train_scan_model"], "labels": settings["runs"]["labels"]}


def image_model(pattern):
    """Input function: a file of the image model that a run uses, which another run may have trained."""

    def file(wildcards):
        return pattern.format(**{**wildcards, "variant": image_run(RUNS, wildcards.variant)})

    return file


def inner_models(pattern):
    """Input function: the image models of the inner folds, where stage 2 learns out of fold."""

    def files(wildcards):
        stage = RUNS[wildcards.variant]["train_scan_model"]
        inner = range(stage["inner_folds"]) if stage["features"] == "out_of_fold" else []
        return expand(pattern, **wildcards, inner=inner)

    return files


def folds_of(pattern, variant=MAIN):
    """The files of all inputs, seeds and folds of a run."""
    settings = RUNS[variant]["runs"]
    return expand(pattern, variant=[variant], input=settings["inputs"], seed=settings["seeds"], fold=FOLDS)


def only_simulated(wildcards):
    """Input function of a target that needs the truth."""
    raise WorkflowError("pretrain: expected a simulated cohort (bids_dir: null), found your own data")
