"""Harmonisation of regional features and of the maps' windows over sites, in each fold by its training subjects alone.

A subject of a site that the training has is harmonised by ComBat's estimates of the training (`qnet.combat`). A site
that only the test fold has is refused, or brought to the controls of the training by its own controls: each of them by
the others, the patients by all of them. So no value of a test subject enters an estimate of the training or its own
harmonisation, and none but those of such controls that of another subject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qnet.combat import Estimates, SiteEffect, coefficients_of, effect_of_controls, fit
from qnet.folds import demographics
from qnet.site_windows import NUMBERS, Windows, numbers_of

NONE, COMBAT = "none", "combat"  # values of the setting `harmonisation`
REFUSE, CONTROLS = "refuse", "controls"  # of `combat.unseen_site`
FEWEST_CONTROLS = 3  # of a site that training lacks: the other two of each still have a variance
COLUMNS = ["fold", "site", "training", "tested", "controls", "estimate", "note"]
TABLE_COLUMNS = [*COLUMNS[:-1], "shift_chi_ppb", "shift_r2star_hz", "scale", *NUMBERS, "kept", "note"]
SHIFTS = {"chi": ("shift_chi_ppb", 1000.0), "r2star": ("shift_r2star_hz", 1.0)}  # map → column, factor to its unit
BY_TRAINING, BY_ONE, BY_REFERENCE = "training", "training, shift alone", "reference"
BY_CONTROLS, UNCHANGED = "its controls", "none"


@dataclass(frozen=True, kw_only=True)
class Combat:
    """How sites are harmonised: section `combat` of the configuration.

    Attributes
    ----------
    reference_site : str or None
        Site that keeps its values; None brings all to their common mean.
    unseen_site : {'refuse', 'controls'}
        What is done with a site that the training of a fold lacks.
    """

    reference_site: str | None
    unseen_site: str


def plan(folds: pd.DataFrame, params: Combat) -> pd.DataFrame:
    """By what each site is harmonised in every fold, without any value.

    Parameters
    ----------
    folds : of `qnet.folds.make_folds`
    params : Combat

    Returns
    -------
    DataFrame
        A row for each fold and site: `fold`, `site`, subjects in `training` and `tested` in this fold, `controls`
        among the latter, `estimate` (training; training, shift alone; reference; its controls; none) and `note`, what
        cannot be computed and what still is, missing where there is nothing to say.

    Raises
    ------
    ValueError
        `expected …, found …`: a subject has no site, there is one site, the reference is no site or lacks in the
        training of a fold, a fold tests a site that its training lacks and `unseen_site` refuses that, or a fold has
        no more training subjects than numbers to estimate.
    """
    unknown = folds["site"].isna() if "site" in folds else np.ones(len(folds), bool)
    if unknown.any():
        who = ", ".join(folds.loc[unknown, "participant_id"])
        raise ValueError(f"expected a site of each subject (harmonisation: {COMBAT}), found none for {who}")
    sites = sorted(folds["site"].unique())
    if len(sites) < 2:
        raise ValueError(
            f"expected at least 2 sites to harmonise, found {sites[0]} alone: --config harmonisation={NONE}"
        )
    if params.reference_site not in (None, *sites):
        raise ValueError(
            f"expected a site as combat.reference_site ({', '.join(sites)}), found {params.reference_site}: "
            '--config "combat={reference_site: null}" takes their common mean'
        )
    rows = [_planned(folds, fold, site, params) for fold in sorted(folds["fold"].unique()) for site in sites]
    for fold in sorted(folds["fold"].unique()):
        _check_training(folds, fold)
    return pd.DataFrame(rows, columns=COLUMNS)


def _check_training(folds: pd.DataFrame, fold: int) -> None:
    """Refuse training subjects who are no more than what is estimated of each feature: none would be left to vary."""
    training = (folds["fold"] != fold).to_numpy()
    site = folds.loc[training, "site"].to_numpy(str)
    wanted = coefficients_of(site, demographics(folds).to_numpy(float)[training])
    if len(site) <= wanted:
        parts = f"{len(np.unique(site))} sites and {wanted - len(np.unique(site))} of age and sex"
        raise ValueError(
            f"expected more than {wanted} training subjects in each fold, as harmonisation estimates {wanted} numbers "
            f"of each feature ({parts}), found {len(site)} outside fold {fold}: --config harmonisation={NONE}"
        )


def _planned(folds: pd.DataFrame, fold: int, site: str, params: Combat) -> dict[str, object]:
    """One row of `plan`."""
    here, tested = folds["site"] == site, folds["fold"] == fold
    seen, groups = int((here & ~tested).sum()), folds.loc[here & ~tested, "group"].unique()
    controls = int((here & tested & (folds["label"] == 0)).sum())
    of_training = int((~tested & (folds["label"] == 0)).sum())
    row = {"fold": fold, "site": site, "training": seen, "tested": int((here & tested).sum()), "controls": controls}
    if site == params.reference_site:
        if seen < 2:
            raise ValueError(
                f"expected at least 2 subjects of combat.reference_site {site} in the training of every fold, "
                f'found {seen} outside fold {fold}: --config "combat={{reference_site: null}}" brings all to their mean'
            )
        return row | {"estimate": BY_REFERENCE}
    if seen:
        single = "one subject in training: its scale cannot be estimated, its shift is"
        alone = f"{groups[0]} alone in training: its shift cannot be told from the disease, and both are taken off"
        note = "; ".join(text for text, holds in ((single, seen == 1), (alone, len(groups) == 1)) if holds)
        return row | {"estimate": BY_ONE if seen == 1 else BY_TRAINING, "note": note or None}
    if params.unseen_site == REFUSE:
        raise ValueError(
            f"expected each site in the training of every fold (combat.unseen_site: {REFUSE}), "
            f'found {site} in the test of fold {fold} alone: --config "combat={{unseen_site: {CONTROLS}}}" estimates '
            f"its shift and scale by its own controls ({controls} here, of {FEWEST_CONTROLS} or more that this takes), "
            f"--config harmonisation={NONE} leaves all sites as they are"
        )
    if min(controls, of_training) < FEWEST_CONTROLS:
        found = f"controls: {controls} here, {of_training} in training, of {FEWEST_CONTROLS} or more that this takes"
        note = (
            f"not in training, its shift and scale cannot be estimated ({found}): "
            "its features and windows stay as they are, "
        )
        return row | {"estimate": UNCHANGED, "note": note + "its subjects are scored and count in all results"}
    return row | {"estimate": BY_CONTROLS, "note": "not in training: shift and scale by its own controls"}


def notes(planned: pd.DataFrame) -> list[str]:
    """The sites that are not simply harmonised by the training, with their folds: `site B (folds 0, 2): …`."""
    found: dict[str, list[str]] = {}
    for (site, note), folds in planned.dropna(subset=["note"]).groupby(["site", "note"], sort=False)["fold"]:
        numbers = f"{'fold' if len(folds) == 1 else 'folds'} {', '.join(map(str, folds))}"
        found.setdefault(note, []).append(f"{site} ({numbers})")
    return [f"{'site' if len(sites) == 1 else 'sites'} {', '.join(sites)}: {note}" for note, sites in found.items()]


def harmonise(
    values: pd.DataFrame, about: pd.DataFrame, covariates: pd.DataFrame, folds: pd.DataFrame, planned: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of all subjects as the models of one fold see them.

    Parameters
    ----------
    values, about : of `qnet.baselines.feature_table.read_features`; features of one map and kind share a prior
    covariates : age and sex by participant, numbers, NaN where unknown: their effect stays
    folds : of `qnet.folds.make_folds`
    planned : rows of `plan` of one fold

    Returns
    -------
    values : DataFrame, as given
    table : DataFrame, TABLE_COLUMNS
        `planned` with the effect of each site, mean over the nuclei: `shift_chi_ppb`, `shift_r2star_hz`, `scale`
        (geometric mean), the line of the maps' windows (`qnet.site_windows`), and the covariates that were `kept`.
    """
    people = folds.set_index("participant_id")
    features, known = (table.loc[people.index].to_numpy(float) for table in (values, covariates))
    found = effects_of(values, about, covariates, folds, planned)
    new = features.copy()
    for index, own in enumerate(found.of_people):
        if own is not None:
            new[index] = found.estimates.harmonised(features[[index]], known[[index]], own)[0]
    kept = ", ".join(covariates.columns[found.estimates.kept]) or "none"
    of_sites = [found.of_sites.get(name) for name in planned["site"]]
    lines = np.array([numbers_of(found.estimates, effect, about.loc[values.columns]) for effect in of_sites])
    told = planned.assign(
        kept=kept, **_told(of_sites, about.loc[values.columns]), **dict(zip(NUMBERS, lines.T, strict=True))
    )
    return pd.DataFrame(new, people.index, values.columns), told[TABLE_COLUMNS]


def windows(
    values: pd.DataFrame, about: pd.DataFrame, covariates: pd.DataFrame, folds: pd.DataFrame, planned: pd.DataFrame
) -> Windows:
    """How the maps of every subject are brought to the scale that sites share in one fold, see `qnet.site_windows`.

    Parameters as in `harmonise`.
    """
    found = effects_of(values, about, covariates, folds, planned)
    numbers = [numbers_of(found.estimates, effect, about.loc[values.columns]) for effect in found.of_people]
    return dict(zip(folds["participant_id"], numbers, strict=True))


def windows_of_sites(
    values: pd.DataFrame, about: pd.DataFrame, covariates: pd.DataFrame, folds: pd.DataFrame, planned: pd.DataFrame
) -> Windows:
    """The same by site: how the maps of a new person of each site are brought to that scale.

    A site that this fold does not harmonise keeps its windows, as for its own subjects.
    """
    found = effects_of(values, about, covariates, folds, planned)
    own = about.loc[values.columns]
    return {site: numbers_of(found.estimates, found.of_sites.get(site), own) for site in planned["site"]}


def harmonises_windows(settings: Mapping) -> bool:
    """Whether a run's networks read harmonised windows; images that are stretched one by one have none."""
    return settings["harmonisation"] == COMBAT and settings["normalise"]["method"] == "window"


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What sites do to the features of one fold.

    Attributes
    ----------
    estimates : of the training
    of_sites : site → its effect; a site that is left as it is has none
    of_people : the effect that is taken off each subject, None for none, in the order of the folds
    """

    estimates: Estimates
    of_sites: dict[str, SiteEffect]
    of_people: list[SiteEffect | None]


def effects_of(
    values: pd.DataFrame, about: pd.DataFrame, covariates: pd.DataFrame, folds: pd.DataFrame, planned: pd.DataFrame
) -> Effects:
    """Estimate what sites do to the features; parameters as in `harmonise`."""
    people, fold = folds.set_index("participant_id"), planned["fold"].iloc[0]
    features, known = (table.loc[people.index].to_numpy(float) for table in (values, covariates))
    site, control = people["site"].to_numpy(str), (people["label"] == 0).to_numpy()
    training = (people["fold"] != fold).to_numpy()
    families = np.unique(about.loc[values.columns, ["map", "kind"]].agg(" ".join, axis=1), return_inverse=True)[1]
    by = dict(zip(planned["site"], planned["estimate"], strict=True))
    reference = next((name for name, estimate in by.items() if estimate == BY_REFERENCE), None)
    estimates = fit(features[training], site[training], known[training], families, reference)
    of_sites = dict(estimates.sites)
    of_people = [of_sites.get(name) for name in site]
    rest = features - estimates.expected(known)
    well = np.flatnonzero(training & control)
    target = np.array([of_sites[site[index]].remove(rest[index]) for index in well]).reshape(-1, features.shape[1])
    for name in (name for name, estimate in by.items() if estimate == BY_CONTROLS):
        here = site == name
        of_sites[name] = effect_of_controls(rest[here & control], target, families)
        for index in np.flatnonzero(here):
            others = here & control & (np.arange(len(site)) != index)
            of_people[index] = effect_of_controls(rest[others], target, families)
    return Effects(estimates=estimates, of_sites=of_sites, of_people=of_people)


def _told(effects: Sequence[SiteEffect | None], about: pd.DataFrame) -> dict[str, list[float]]:
    """Shift of χ [ppb] and R2* [1/s] and scale of effects, mean over the nuclei; NaN where there is none."""
    means = (about["kind"] == "mean") & (about["side"] == "both") & about["map"].isin(SHIFTS)
    found = {
        column: [
            np.nan if one is None else factor * one.shift[means & (about["map"] == name)].mean() for one in effects
        ]
        for name, (column, factor) in SHIFTS.items()
    }
    return found | {"scale": [np.nan if one is None else np.exp(np.log(one.scale[means]).mean()) for one in effects]}
