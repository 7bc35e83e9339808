"""Simpler methods on the same scans and folds: the rows that every table carries beside the networks.

=============================  ==========  ==========================================================================
model                          input       learns from
=============================  ==========  ==========================================================================
ROI + age (LR), (SVM)          regions     mean χ and R2* of every nucleus, age and sex
Lee 2020 (LR), (SVM)           regions     mean χ of every nucleus minus that of the putamen; the number of nuclei is
                                           chosen, by F-score (doi:10.3390/app10238732)
Radiomics (Xiao 2019)          regions     first-order, texture and shape features, as many as are chosen, by F-score
Hybrid (Xiao 2019)             full, crop  those and the embeddings of the averaged ResNet of the fold, mean over the
                                           slices, as many of each (NeuroImage: Clinical 24, 2019)
Age + sex                      none        what no image is needed for
Background only                background  principal components of the images with the brain masked out
ROI, labels permuted           regions     as ROI + age (LR), with the labels of the training subjects shuffled
=============================  ==========  ==========================================================================

Lee 2020 and Xiao 2019 are readings of what their abstracts tell: both used nuclei drawn by hand and patients with
Parkinson's disease, Xiao the substantia nigra alone and a network of its own. The embeddings of the training subjects
come from a network that was trained on these very subjects, which makes them look better than they are.

With `harmonisation: combat` the features of the nuclei, not the embeddings, are harmonised over sites in each fold by
its training subjects (`qnet.harmonise`).

The last three should be at chance; a background that tells the groups apart points at the scanner. Where subjects
are matched in pairs, Age + sex lies below chance, for the partner of a held-out subject stays in the training set. One
shuffle of the labels says little, as it may lie along the effect by chance (its AUC has a standard deviation of about
0.1 with 96 simulated subjects): see `qnet.baselines.permutation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qnet.baselines.classifiers import Recipe, predict
from qnet.baselines.regions import BOX
from qnet.folds import demographics, families_of, held_out_labels, training_labels
from qnet.harmonise import TABLE_COLUMNS, Combat, harmonise, plan
from qnet.predictions import COLUMNS

REFERENCE = "putamen"  # of Lee 2020
THUMBNAIL = 32  # pixels along a side that the background is averaged to


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """What the baselines may choose from.

    Attributes
    ----------
    inverse_regularisation : sequence of float
        C of logistic regression and support vector machine, ascending.
    feature_counts : sequence of int
        Numbers of radiomics features, and of embedding features.
    inner_folds : int
        Of the cross-validation that chooses, among the training subjects.
    components : int
        Principal components of the background.
    permutations : int
        Refits of the permutation test.
    seed : int
        Of inner folds and permutations.
    """

    inverse_regularisation: tuple[float, ...]
    feature_counts: tuple[int, ...]
    inner_folds: int
    components: int
    permutations: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """A row of the tables: features (participants, p), their groups (p,) and what to do with them."""

    name: str
    input: str
    features: pd.DataFrame
    groups: np.ndarray
    recipe: Recipe
    shuffled_by: int | None


def regional_means(values: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """Mean χ [ppm] and R2* [1/s] of every nucleus, both sides together; arguments from `read_features`."""
    return values[about.index[(about["kind"] == "mean") & (about["side"] == "both") & (about["region"] != BOX)]]


def to_reference(values: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """Mean χ [ppm] of every other nucleus minus that of the reference."""
    means = regional_means(values, about)
    means = means[[name for name in means if about.loc[name, "map"] == "chi"]]
    regions = about.loc[means.columns, "region"]
    reference = list(regions.index[regions == REFERENCE])
    if not reference:
        raise ValueError(f"features: expected the mean χ of the {REFERENCE}, found that of {', '.join(regions)}")
    return means.drop(columns=reference).sub(means[reference[0]], axis=0)


def thumbnail(images: np.ndarray) -> np.ndarray:
    """Images (T, S, S) averaged over blocks, to 32 pixels a side or a few more, in one row."""
    block = max(images.shape[-1] // THUMBNAIL, 1)
    side = images.shape[-1] // block
    blocks = images[:, : side * block, : side * block].reshape(len(images), side, block, side, block)
    return blocks.mean((2, 4)).ravel()


def models(
    folds: pd.DataFrame, values: pd.DataFrame, about: pd.DataFrame, backgrounds: pd.DataFrame, params: Baselines
) -> list[Model]:
    """The models that are the same for all folds; arguments as in `baselines`."""
    lr = _recipe(params)
    svm = replace(lr, machine="svm")
    people, roi, lee = demographics(folds), regional_means(values, about), to_reference(values, about)
    aged = roi.join(people)
    some = tuple(range(1, lee.shape[1] + 1))
    rows = [
        ("ROI + age (LR)", "regions", aged, lr),
        ("ROI + age (SVM)", "regions", aged, svm),
        ("Lee 2020 (LR)", "regions", lee, replace(lr, counts=some)),
        ("Lee 2020 (SVM)", "regions", lee, replace(svm, counts=some)),
        ("Radiomics (Xiao 2019)", "regions", radiomics(values, about), replace(lr, counts=params.feature_counts)),
        ("Age + sex", "none", people, lr),
        ("Background only", "background", backgrounds, replace(lr, components=params.components)),
    ]
    plain = [_model(name, input_name, features, recipe) for name, input_name, features, recipe in rows]
    return [*plain, replace(plain[0], name="ROI, labels permuted", shuffled_by=params.seed)]


def radiomics(values: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """All features of both sides together."""
    return values[about.index[about["side"] == "both"]]


def hybrid(radiomics: pd.DataFrame, embeddings: dict[str, np.ndarray], input_name: str, params: Baselines) -> Model:
    """Radiomics and embeddings {participant: (…, T, F)}, of which the mean over the slices counts."""
    means = {name: slices.reshape(-1, slices.shape[-1]).mean(0) for name, slices in embeddings.items()}
    features = radiomics.join(pd.DataFrame(means).T.add_prefix("embedding_"))
    groups = features.columns.str.startswith("embedding_").astype(int)
    recipe = replace(_recipe(params), counts=params.feature_counts)
    return replace(_model("Hybrid (Xiao 2019)", input_name, features, recipe), groups=groups)


def _recipe(params: Baselines) -> Recipe:
    """Logistic regression on all features."""
    return Recipe(
        machine="logistic",
        inverse_regularisation=params.inverse_regularisation,
        counts=(),
        components=None,
        inner_folds=params.inner_folds,
        seed=params.seed,
    )


def _model(name: str, input_name: str, features: pd.DataFrame, recipe: Recipe) -> Model:
    """Model whose features form one group."""
    groups = np.zeros(features.shape[1], int)
    return Model(name=name, input=input_name, features=features, groups=groups, recipe=recipe, shuffled_by=None)


def score_fold(folds: pd.DataFrame, fold: int, model: Model, seed: int) -> pd.DataFrame:
    """Fit on the other folds → P(positive) of the subjects of `fold`, a row each, columns as in `baselines`."""
    seen, held_out = training_labels(folds, fold, model.shuffled_by), held_out_labels(folds, fold)
    train, test = (model.features.loc[list(of)].to_numpy(float) for of in (seen, held_out))
    families = families_of(folds[folds["fold"] != fold]) if "family" in folds else None
    scores = predict(train, np.array([*seen.values()]), test, model.groups, model.recipe, families)
    rows = pd.DataFrame({"participant_id": [*held_out], "label": [*held_out.values()], "score": scores})
    constant = {"slice": "", "model": model.name, "level": "scan", "input": model.input, "seed": seed, "fold": fold}
    return rows.assign(**constant)[COLUMNS]


def unharmonised(folds: pd.DataFrame, values: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """The same features for every fold."""
    return dict.fromkeys(sorted(folds["fold"].unique()), values)


def features_by_fold(
    folds: pd.DataFrame, values: pd.DataFrame, about: pd.DataFrame, combat: Combat | None
) -> tuple[dict[int, pd.DataFrame], pd.DataFrame]:
    """Regional features as the models of each fold see them, by fold, and what harmonised them.

    Parameters
    ----------
    folds, values, about : as in `baselines`
    combat : Combat or None
        None leaves the features as they are, and the table without rows.

    Returns
    -------
    dict, DataFrame
        Columns of the table: `qnet.harmonise.TABLE_COLUMNS`.
    """
    if combat is None:
        return unharmonised(folds, values), pd.DataFrame(columns=TABLE_COLUMNS)
    used = about.index[about["side"] == "both"]
    found = {
        fold: harmonise(values[used], about.loc[used], demographics(folds), folds, planned)
        for fold, planned in plan(folds, combat).groupby("fold")
    }
    told = pd.concat([table for _, table in found.values()], ignore_index=True)
    return {fold: features for fold, (features, _) in found.items()}, told


def baselines(
    folds: pd.DataFrame,
    values: pd.DataFrame,
    about: pd.DataFrame,
    backgrounds: pd.DataFrame,
    embeddings: dict[tuple[str, int, int], dict[str, np.ndarray]],
    params: Baselines,
    by_fold: Mapping[int, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Scores of every baseline for every subject, each by a classifier that was fitted without the subject's fold.

    Parameters
    ----------
    folds : DataFrame
        The table of `folds.make_folds`.
    values, about : DataFrame
        As `qnet.baselines.feature_table.read_features` returns them.
    backgrounds : DataFrame
        `thumbnail` of the background of each participant.
    embeddings : dict
        (input, seed, fold) → participant → (T, F); may be empty, and there are no hybrid models then.
    params : Baselines
    by_fold : dict, optional
        Fold → features in place of `values`, see `features_by_fold`.

    Returns
    -------
    DataFrame
        Predictions of level scan; seed 0, but that of the network for the hybrid models.

    Raises
    ------
    ValueError
        A subject of the folds has no features.
    """
    for kind, table in {"features": values, "backgrounds": backgrounds}.items():
        if absent := sorted(set(folds["participant_id"]) - set(table.index)):
            raise ValueError(f"{kind}: expected every subject of the folds, found none for {absent}")
    by_fold = by_fold or unharmonised(folds, values)
    of_folds = [[(fold, one) for one in models(folds, by_fold[fold], about, backgrounds, params)] for fold in by_fold]
    tables = [score_fold(folds, fold, one, 0) for same in zip(*of_folds, strict=True) for fold, one in same]
    for (input_name, seed, fold), of_fold in embeddings.items():
        model = hybrid(radiomics(by_fold[fold], about), of_fold, input_name, params)
        tables.append(score_fold(folds, fold, model, seed))
    return pd.concat(tables, ignore_index=True)
