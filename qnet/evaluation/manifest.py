"""Every table and figure of a run, one row each: which rule makes it, its caption, which columns a reader is shown.

Rules, report, model card and checklist take names, captions and columns from here, and tests compare it with what is
computed. The module imports nothing, so that reading the rules stays quick.

Captions are plain text, with names in braces that the page fills in (`positive` and `negative` group, `level` of the
intervals in per cent, `bootstrap`, `threshold`).
"""

from dataclasses import dataclass

EVALUATE, VALIDATE, REPEAT = "evaluate", "external_validation", "repeatability_report"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as a reader sees it.

    Parameters
    ----------
    name : str
        In the table's file. `pair` stands for both models that a row compares.
    title : str
    form : text, name, percent, decimals, signed, number or p
        `percent` of a fraction; `name` is kept on one line.
    digits : int
        Behind the decimal point.
    interval, spread, count : bool
        Whether `<name>_low` to `<name>_high`, ± `<name>_sd` and `<name>_count` are shown beside it.
    limits_of : what the columns of its interval begin with, if not with its own name
    stars : name of the column with its marks of significance
    group : title above several columns
    """

    name: str
    title: str
    form: str = "text"
    digits: int = 3
    interval: bool = False
    spread: bool = False
    count: bool = False
    limits_of: str | None = None
    stars: str = ""
    group: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it is set flush right."""
        return self.form not in ("text", "name")

    @property
    def limits(self) -> tuple[str, str]:
        """Names of the columns of its interval."""
        start = f"{self.name}_" if self.limits_of is None else self.limits_of
        return f"{start}low", f"{start}high"


MEASURED = (  # what was measured where
    Column(name="region", title="Nucleus", form="name"),
    Column(name="map", title="Map"),
    Column(name="unit", title="Unit"),
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table below tables/.

    Parameters
    ----------
    made_by : the rule
    shown_in : of `report`, `model_card`, `checklist`, `validation` and `repeatability`; none is for looking up
    columns : those shown, in order; a page shows all where none are named
    caption : what a reader must know
    needs : what `python -m qnet evaluate` needs for it beyond predictions
    per_input : whether there is one for every input, `<name>_<input>`
    """

    made_by: str = EVALUATE
    shown_in: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    caption: str = ""
    needs: str = ""
    per_input: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure below figures/; every one is shown on a page.

    Parameters
    ----------
    title : str
        For those who cannot see it; a heading where there is one for every input.
    caption : str
    made_by : the rule
    broad : whether it takes the width of the page
    table : the table that it draws, if there is nothing to draw without
    per_input : whether there is one for every input, `<name>_<input>`
    """

    title: str
    caption: str
    made_by: str = EVALUATE
    broad: bool = True
    table: str = ""
    per_input: bool = False


INPUT, MODEL = Column(name="input", title="Input"), Column(name="model", title="Model", form="name")
PAIR = Column(name="pair", title="Models compared", form="name")
AUCS = (
    Column(name="auc_1", title="AUC 1", form="decimals"),
    Column(name="auc_2", title="AUC 2", form="decimals"),
)
RATES = (("accuracy", "Accuracy %"), ("sensitivity", "Sensitivity %"), ("specificity", "Specificity %"))
DIFFERENCE = 0.1  # of two AUCs, which the number of subjects needed is for: less is hardly seen in any small study
SUBGROUPS = (  # how well a model does among a part of the subjects
    INPUT,
    MODEL,
    Column(name="stratum", title="Subjects", form="name"),
    Column(name="subjects", title="Number", form="number"),
    Column(name="positives", title="Positive", form="number"),
    Column(name="auc", title="AUC", form="decimals", interval=True),
    Column(name="difference", title="Difference", form="signed", interval=True),
    Column(name="needed", title="Needed", form="number"),
    *[Column(name=name, title=title, form="percent", digits=1, interval=True, count=True) for name, title in RATES[1:]],
)
ABOUT_SUBGROUPS = (
    "Difference: AUC less that of the others of its kind (Zou & Donner 2008). Needed: subjects, both parts together, "
    f"to show a difference of {DIFFERENCE} between their AUCs with a power of 80 % at two-sided 5 % at this AUC, in "
    "these shares (Hanley & McNeil 1982); with fewer, no difference shown is not equality. Intervals of small parts "
    "are wide, and nothing is adjusted for their number. Rates at a score of {threshold} or more."
)
OVER_SITES = (  # how much that differs from site to site
    INPUT,
    MODEL,
    Column(name="measure", title="Measure", form="name"),
    Column(name="sites", title="Sites", form="number"),
    Column(name="value", title="Mean over sites", form="decimals", digits=2, interval=True, limits_of=""),
    Column(name="tau", title="SD between sites", form="decimals", digits=2),
    *[
        Column(name=f"expected_{end}", title=title, form="decimals", digits=2, group="Expected at another site")
        for end, title in (("low", "from"), ("high", "to"))
    ],
    Column(name="note", title="Note"),
)
ABOUT_SITES = (
    "Each site tells a value and how sure it is; the mean over sites is that of random effects, with the {level} % "
    "interval of Hartung & Knapp. SD between sites: what chance does not explain (restricted maximum likelihood), of "
    "an AUC that of its logit. Expected at another site: {level} % prediction interval, from three sites on (Higgins "
    "2009, Debray 2017). Few sites tell it badly: read its width, not its ends."
)
INDEPENDENT, CLUSTERED, OVER_FOLDS = "slices as independent", "clustered by subject", "over folds"

TABLES = {
    "table1": Table(
        shown_in=("report",),
        columns=(
            INPUT,
            MODEL,
            Column(name="images", title="Slices", form="number"),
            Column(name="subjects", title="Subjects", form="number"),
            Column(name="seeds", title="Runs", form="number"),
            *[
                Column(name=name, title=title, form="percent", digits=1, spread=True, interval=True)
                for name, title in (*RATES, ("f1", "F1 %"))
            ],
            Column(name="auc", title="AUC", form="decimals", interval=True),
        ),
        caption="Mean ± standard deviation over training runs with different seeds (none for a single run), as in the "
        "paper; it measures how much training varies, not how certain the result is. Small print: the {level} % "
        "interval from {bootstrap} resamples of whole subjects, which measures that.",
    ),
    "table2": Table(
        shown_in=("report",),
        columns=(
            INPUT,
            Column(name="level", title="Level"),
            PAIR,
            *AUCS,
            Column(name="difference", title="Difference", form="signed"),
            Column(name="se_none", title="SE", form="number", group=INDEPENDENT),
            Column(name="p_none", title="p", form="p", stars="stars_none", group=INDEPENDENT),
            Column(name="se_subject", title="SE", form="number", group=CLUSTERED),
            Column(name="p_subject", title="p", form="p", stars="stars_subject", group=CLUSTERED),
            Column(name="p_holm", title="p, Holm", form="p", stars="stars_holm", group=CLUSTERED),
        ),
        caption="Null hypothesis: both AUCs are equal. ns p > 0.05, * p ≤ 0.05, ** p ≤ 0.01, *** p ≤ 0.001, **** "
        "p ≤ 0.0001. The slices of a subject resemble each other, so treating them as independent makes differences "
        "look far more certain than they are; read the clustered columns (Obuchowski 1997). Holm: adjusted for all "
        "pairs of the level.",
    ),
    "table3": Table(
        shown_in=("report", "model_card", "checklist"),
        columns=(
            INPUT,
            MODEL,
            Column(name="subjects", title="Subjects", form="number"),
            *[
                Column(name=name, title=title, form="percent", digits=1, interval=True, count=True)
                for name, title in RATES
            ],
            Column(name="f1", title="F1 %", form="percent", digits=1),
            Column(name="auc", title="AUC", form="decimals", interval=True),
        ),
        caption="Small print: number of correct decisions, and the {level} % interval (Wilson for proportions, DeLong "
        "for AUC; none where every pair of subjects is ordered correctly, because the estimated variance is then "
        "zero). A subject counts as positive at a score of {threshold} or more; with several seeds the score is their "
        "mean. ResNet and ResNetSWA judge a scan by the vote of its slices; “mean P” averages the probabilities of "
        "the slices instead.",
    ),
    "table3_runs": Table(),
    "delong": Table(),
    "mcnemar": Table(),
    "contrasts": Table(
        shown_in=("report", "checklist"),
        columns=(
            PAIR,
            *AUCS,
            Column(name="difference", title="Difference", form="signed", interval=True),
            Column(name="p", title="p", form="p"),
            Column(name="p_holm", title="p, Holm", form="p"),
            Column(name="stars", title="Marks"),
            Column(name="difference_folds", title="Difference", form="signed", group=OVER_FOLDS),
            Column(name="p_folds", title="p", form="p", group=OVER_FOLDS),
            Column(name="only_1_right", title="Only 1 right", form="number"),
            Column(name="only_2_right", title="Only 2 right", form="number"),
            Column(name="p_mcnemar", title="p, McNemar", form="p"),
        ),
        caption="Paired on the same subjects, also across inputs. Read the primary contrast (shaded) unadjusted; for "
        "the others read the p adjusted for their number by Holm's method. p (DeLong), like intervals from resampled "
        "subjects, answers: would these trained models differ on other test subjects? p over folds (corrected "
        "resampled t-test of the AUCs within test folds, Nadeau & Bengio 2003) answers: would the procedures differ "
        "if they were trained again on other subjects? It counts each fold once, whatever the number of seeds, and "
        "has little power with few folds. McNemar: exact test of the decisions, from the subjects that only one of "
        "the two got right. The last two are not adjusted.",
        needs="both rows of evaluate.primary",
    ),
    "calibration": Table(
        shown_in=("report",),
        columns=(
            INPUT,
            MODEL,
            Column(name="brier", title="Brier score", form="decimals", interval=True),
            Column(name="brier_reference", title="of a constant", form="decimals"),
            Column(name="slope", title="Slope", form="decimals", digits=2, interval=True),
            Column(name="intercept", title="Intercept", form="signed", digits=2, interval=True),
            Column(name="note", title="Note"),
        ),
        caption="Brier score: mean squared error of the probability, 0 is best; above that of a constant (always the "
        "share of {positive}) the probabilities mislead. Slope: 1 is ideal, below 1 the model is overconfident. "
        "Intercept: 0 is ideal, below 0 it predicts {positive} too often.",
    ),
    "reliability": Table(),
    "decision_curve": Table(),
    "confounds": Table(
        shown_in=("report", "model_card", "checklist"),
        columns=(
            Column(name="check", title="Check"),
            INPUT,
            MODEL,
            Column(name="stratum", title="Stratum"),
            Column(name="subjects", title="Subjects", form="number"),
            Column(name="statistic", title="Statistic"),
            Column(name="value", title="Value", form="decimals", interval=True, limits_of=""),
        ),
        caption="AUC of a diagnosis by site, by age, by sex, by the last two, and by the image outside the brain: 0.5 "
        "is chance, and all of them should be near it. A score that reads disease keeps its AUC inside groups of "
        "similar age, of one sex and of one site, and is associated with the group at a given age.",
        needs="--participants",
    ),
    "subgroups": Table(
        shown_in=("report", "model_card", "checklist"),
        columns=SUBGROUPS,
        caption="Each line is a part of the subjects: by site (the column site of participants.tsv), by third of age "
        f"and by sex, where they are known; one with a single group has no AUC. {ABOUT_SUBGROUPS}",
        needs="--participants",
    ),
    "between_sites": Table(
        shown_in=("report", "model_card", "checklist"),
        columns=OVER_SITES,
        caption=f"{ABOUT_SITES} With sites left out (folds.scheme: leave_one_site_out) that is a site which the model "
        "has not seen; otherwise one like these, with subjects of its own in the training.",
        needs="--participants with sites",
    ),
    "ablation": Table(
        shown_in=("report", "checklist"),
        columns=(
            Column(name="variant", title="Variant"),
            INPUT,
            Column(name="level", title="Level"),
            MODEL,
            Column(name="auc", title="AUC", form="decimals", interval=True),
            Column(name="difference", title="Difference", form="signed", interval=True),
            Column(name="p", title="p", form="p"),
            Column(name="p_holm", title="p, Holm", form="p", stars="stars"),
        ),
        caption="Same subjects and folds, all networks retrained. Difference: variant − main, paired and clustered "
        "by subject.",
        needs="--variants",
    ),
    "shapley": Table(
        shown_in=("report",),
        columns=(
            INPUT,
            Column(name="level", title="Level"),
            MODEL,
            Column(name="map", title="Map"),
            Column(name="alone", title="Alone", form="signed"),
            Column(name="added_last", title="Added last", form="signed"),
            Column(name="shapley", title="Shapley value", form="signed", interval=True),
        ),
        caption="Share of each map in the AUC above chance: its mean gain over all orders in which the maps can be "
        "added, from seven trainings on the same folds. The three add up to the AUC of all maps less 0.5. {level} % "
        "intervals from the covariance of the AUCs, clustered by subject; they do not hold what another training would "
        "change. Alone: AUC of this map less 0.5. Added last: to the two others.",
        needs="--variants with all six subsets of the maps",
    ),
    "paper_comparison": Table(
        shown_in=("report",),
        caption="paper: as printed. here: mean over the training runs, ± their standard deviation where there are "
        "several, and the {level} % interval from resampled subjects; so the scan level differs a little from table 3 "
        "above, which judges each subject by its mean score.",
        needs="--participants with the groups HH and HC, and inputs and models named as in the paper",
    ),
    "permutation": Table(made_by="baselines"),
    "harmonisation": Table(
        made_by="baselines",
        shown_in=("report",),
        columns=(
            Column(name="fold", title="Fold", form="number"),
            Column(name="site", title="Site", form="name"),
            Column(name="training", title="In training", form="number"),
            Column(name="tested", title="Tested", form="number"),
            Column(name="controls", title="Controls", form="number"),
            Column(name="estimate", title="Estimated from"),
            Column(name="shift_chi_ppb", title="Shift of χ [ppb]", form="signed", digits=1),
            Column(name="shift_r2star_hz", title="Shift of R2* [1/s]", form="signed", digits=2),
            Column(name="scale", title="Scale", form="decimals", digits=2),
            Column(name="window_chi_shift_ppm", title="Window of χ: shift [ppm]", form="signed", digits=3),
            Column(name="window_chi_scale", title="scale", form="decimals", digits=2),
            Column(name="window_r2star_shift_hz", title="of R2*: shift [1/s]", form="signed", digits=1),
            Column(name="window_r2star_scale", title="scale", form="decimals", digits=2),
            Column(name="kept", title="Kept"),
        ),
        caption="What was taken off the regional features of each site in each fold, by ComBat (Johnson 2007, Fortin "
        "2018): mean over the means of the nuclei. Training: estimated from the training subjects of the fold, "
        "against their common mean or the reference site. Its controls: a site that the training of the fold lacks, "
        "brought to the controls of the training, each of its controls by the others. Kept: what of age and sex can be "
        "told from the sites. Controls: among those tested. Windows: the line through these means by which χ and R2* "
        "of the site differ; networks with fixed windows (preprocessing: quantitative) read the maps without it, "
        "others stretch each image.",
    ),
    "map_accuracy": Table(
        made_by="map_accuracy",
        shown_in=("report",),
        caption="Simulated subjects only. slope: regression of the estimate on the truth, 1 is ideal. "
        "nrmse_percent: root mean squared error over the root mean square of the truth. "
        "measurements: regions of all subjects.",
    ),
    "class_activation": Table(
        made_by="class_activation",
        per_input=True,
        shown_in=("report",),
        caption="Enrichment: share of the evidence inside the nuclei over their share of the area, 1 is chance. For "
        "comparison: a network with random weights, and an equally coarse map with all evidence inside the nuclei.",
    ),
    "slice_importance": Table(
        made_by="slice_importance",
        per_input=True,
        shown_in=("report",),
        caption="Weight of a slice relative to equal weights, by its height in the template.",
    ),
    "group_maps": Table(
        made_by="group_maps",
        shown_in=("report",),
        columns=(
            Column(name="map", title="Map"),
            Column(name="direction", title="Direction", form="name"),
            Column(name="p", title="p, whole brain", form="p"),
            Column(name="volume_mm3", title="Volume [mm³]", form="decimals", digits=0),
            Column(name="nucleus", title="Nucleus", form="name"),
            Column(name="x_mm", title="x [mm]", form="decimals", digits=0),
            Column(name="y_mm", title="y [mm]", form="decimals", digits=0),
            Column(name="z_mm", title="z [mm]", form="decimals", digits=0),
            Column(name="t", title="largest t", form="decimals", digits=1),
            Column(name="difference", title="mean difference", form="number"),
            Column(name="unit", title="Unit"),
            Column(name="effect", title="mean effect", form="decimals", digits=2),
            Column(name="adjusted_for", title="Adjusted for"),
        ),
        caption="Clusters of either direction, the 20 with the smallest p of each map. p: share of permutations whose "
        "largest cluster anywhere is at least as large. Nucleus: of the template, in which most of the cluster lies. "
        "Place of the largest t in MNI152. Effect: difference over the standard deviation between subjects of a group. "
        "A cluster beyond chance says that the groups differ somewhere in it, not in each of its voxels.",
    ),
    "checklist": Table(made_by="checklist"),
    "validation_checklist": Table(made_by="validation_checklist"),
    "validation": Table(
        made_by=VALIDATE,
        shown_in=("validation",),
        columns=(
            INPUT,
            MODEL,
            Column(name="subjects", title="Subjects", form="number"),
            Column(name="auc", title="AUC", form="decimals", interval=True),
            Column(name="auc_trained", title="AUC in cross-validation", form="decimals"),
            Column(name="difference", title="Difference", form="signed", interval=True),
            Column(name="intercept", title="Calibration in the large", form="signed", digits=2, interval=True),
            Column(name="slope", title="Slope", form="decimals", digits=2, interval=True),
            Column(name="brier", title="Brier score", form="decimals", interval=True),
            Column(name="brier_reference", title="of a constant", form="decimals"),
            *[
                Column(name=name, title=title, form="percent", digits=1, interval=True, count=True)
                for name, title in RATES[1:]
            ],
            Column(name="note", title="Note"),
        ),
        caption="Small print: the {level} % interval (DeLong for AUC, Wilson for proportions, Wald for calibration), "
        "numbers of correct decisions at a score of {threshold} or more. Cross-validation: of the subjects of the "
        "training run, each judged by the networks of one fold; here the mean over all networks judges. Difference: "
        "here less there, of different subjects (Zou & Donner 2008). Calibration in the large: 0 is ideal, below 0 the "
        "model predicts {positive} too often. Slope: 1 is ideal, below 1 the model is overconfident.",
    ),
    "validation_strata": Table(
        made_by=VALIDATE,
        shown_in=("validation",),
        columns=(
            *SUBGROUPS,
            Column(name="mean_score", title="Mean score", form="decimals"),
            Column(name="observed", title="Observed share", form="decimals"),
            Column(name="intercept", title="Calibration in the large", form="signed", digits=2, interval=True),
            Column(name="slope", title="Slope", form="decimals", digits=2, interval=True),
            Column(name="note", title="Note"),
        ),
        caption="Each line is a part of the subjects: by site (the column site of participants.tsv), by sex, by third "
        "of age, and by whether protocol, images and network features resemble those of the training. No finite slope: "
        f"too few subjects, or a threshold separates the groups. {ABOUT_SUBGROUPS}",
    ),
    "validation_sites": Table(
        made_by=VALIDATE,
        shown_in=("validation",),
        columns=OVER_SITES,
        caption=ABOUT_SITES,
    ),
    "validation_updates": Table(
        made_by=VALIDATE,
        shown_in=("validation",),
        columns=(
            INPUT,
            MODEL,
            Column(name="update", title="Update", form="name"),
            Column(name="intercept", title="Intercept a", form="signed", digits=2, interval=True),
            Column(name="slope", title="Slope b", form="decimals", digits=2, interval=True),
            Column(name="brier", title="Brier score, held out", form="decimals"),
            Column(name="p", title="p", form="p"),
            Column(name="supported", title="Supported"),
        ),
        caption="A score s becomes σ(a + b logit s). Held out: each subject judged by an update fitted to the others. "
        "p: likelihood ratio test against intercept and slope. Supported: the least update that the closed test does "
        "not reject (Vergouwe 2017); none is marked where scores do not speak for {positive} or separate the groups.",
    ),
    "validation_reliability": Table(made_by=VALIDATE),
    "validation_decision_curve": Table(made_by=VALIDATE),
    "repeatability": Table(
        made_by=REPEAT,
        shown_in=("repeatability",),
        columns=(
            *MEASURED,
            Column(name="subjects", title="Subjects", form="number"),
            Column(name="scans", title="Scans", form="number"),
            Column(name="mean", title="Mean", form="decimals", digits=1),
            Column(name="sd_between_subjects", title="SD between subjects", form="decimals", digits=2),
            Column(name="within_sd", title="SD within a subject", form="decimals", digits=2, interval=True),
            Column(name="smallest_change", title="Smallest change", form="decimals", digits=2),
            Column(name="icc_2_1", title="ICC(2,1)", form="decimals", digits=2, interval=True),
            Column(name="icc_3_1", title="ICC(3,1)", form="decimals", digits=2, interval=True),
            Column(name="site_sd", title="SD between sites", form="decimals", digits=2, interval=True),
            Column(name="per_arm", title="Per arm", form="number"),
            Column(name="per_arm_high", title="Per arm at the upper limit of the SD", form="number"),
        ),
        caption="Small print: the {level} % interval. SD within a subject: of scans at one site, over all subjects "
        "with several. Smallest change: 1.96 √2 SDs within a subject, beyond which 5 % of unchanged persons come by "
        "chance. ICC (Shrout & Fleiss 1979; intervals of McGraw & Wong 1996): share of the variance that lies between "
        "subjects; (2,1) counts shifts of a whole visit as disagreement, (3,1) does not; from as many scans of each "
        "subject as all of them have, whatever the site. SD between sites: of the means of a subject at several sites. "
        "Per arm: subjects of a trial that is to find 5 ppb or 1 1/s (power 80 %, two-sided 5 %), as far as the "
        "measurement goes.",
    ),
    "agreement": Table(
        made_by=REPEAT,
        shown_in=("repeatability",),
        columns=(
            *MEASURED,
            Column(name="sites", title="Sites"),
            Column(name="pairs", title="Pairs", form="number"),
            Column(name="bias", title="Bias", form="signed", digits=2, interval=True),
            Column(name="lower", title="Lower limit", form="signed", digits=2, interval=True),
            Column(name="upper", title="Upper limit", form="signed", digits=2, interval=True),
        ),
        caption="Within a site: second less first scan there of each subject. Between sites: first scan at one less "
        "first scan at the other: the bias is that of the site. Between the limits lie 95 % of differences. Small "
        "print: the {level} % interval (Bland & Altman 1999).",
    ),
    "pairs_of_scans": Table(made_by=REPEAT),
}

FIGURES = {
    "roc_scan": Figure(title="ROC curves, scan level", caption="ROC curves at scan level: each subject counts once."),
    "roc_image": Figure(title="ROC curves, image level", caption="ROC curves at image level: each slice counts once."),
    "auc_boxplot": Figure(
        title="AUC of resampled cohorts",
        caption="AUC in {bootstrap} cohorts drawn with replacement from the subjects of each group. Line: median; box: "
        "quartiles; stars: DeLong test clustered by subject, not adjusted for the number of tests.",
    ),
    "roc_image_inputs": Figure(
        title="ROC curves of the Q-Net, image level, by input",
        caption="Whole and cropped input, image level (figure 5 of the paper).",
        broad=False,
    ),
    "roc_scan_inputs": Figure(
        title="ROC curves of the Q-Net, scan level, by input",
        caption="Whole and cropped input, scan level (figure 8 of the paper).",
        broad=False,
    ),
    "decision_curves": Figure(
        title="Decision curves",
        caption="Net benefit: true positives per subject, less false positives weighted by their cost at the "
        "threshold. A model is useful only where it lies above both treating everybody and treating nobody. The share "
        "of patients here is that of the study, not that of a clinic.",
    ),
    "reliability_curves": Figure(
        title="Reliability curves",
        caption="Observed share of {positive} against the predicted probability; on the diagonal they agree. Numbers: "
        "subjects in the bin.",
    ),
    "validation_roc": Figure(
        made_by=VALIDATE,
        title="ROC curves of new subjects",
        caption="ROC curves of subjects that no network has seen, judged by the mean over all networks.",
        broad=False,
    ),
    "validation_calibration": Figure(
        made_by=VALIDATE,
        title="Reliability curves of new subjects",
        caption="Observed share of {positive} against the predicted probability, before any update; on the diagonal "
        "they agree. Numbers: subjects in the bin.",
    ),
    "validation_decision": Figure(
        made_by=VALIDATE,
        title="Decision curves of new subjects",
        caption="Net benefit of acting on the score as it is, before any update, at the share of {positive} among "
        "these subjects. Useful only above both treating everybody and treating nobody.",
        broad=False,
    ),
    "bland_altman": Figure(
        made_by=REPEAT,
        title="Differences of repeated scans",
        caption="Difference of two scans of a subject against their mean: one after the other at a site (points), the "
        "first at each of two sites (crosses). Dashed: ± 1.96 √2 SDs within a subject at one site (root mean square "
        "over the nuclei), which crosses may exceed.",
    ),
    "ablation_forest": Figure(
        title="AUC of the variants against the main run",
        caption="Difference in AUC between each variant and the main run, with its interval; left of zero: worse than "
        "the main run.",
        table="ablation",
    ),
    "cohort": Figure(
        made_by="cohort_figures",
        title="Age and sex by group",
        caption="Age and sex of the subjects that were diagnosed, by group.",
    ),
    "participants_flow": Figure(
        made_by="cohort_figures", title="Flow of participants", caption="From all subjects found to the test folds."
    ),
    "augmentation_samples": Figure(
        made_by="augmentation_samples",
        title="Slices as the image model sees them in training",
        caption="One slice with repeated random augmentation, as the image model sees it in training (figure 3 of "
        "the paper).",
    ),
    "class_activation": Figure(
        made_by="class_activation",
        per_input=True,
        title="Class activation maps of single subjects",
        caption="Evidence of the image model for one group over the other (Zhou 2016), on subjects that it never saw.",
    ),
    "class_activation_template": Figure(
        made_by="class_activation",
        per_input=True,
        title="Average over held-out subjects in template space",
        caption="Where the evidence for one group over the other lies on average, on the slices of the MNI152 "
        "template.",
    ),
    "group_maps_chi": Figure(
        made_by="group_maps",
        title="Susceptibility of both groups in template space",
        caption="Means of the groups, {positive} minus {negative}, and the effect, on slices of the MNI152 template. "
        "Black outlines: clusters beyond chance (p < 0.05 over the whole brain). R: the subject's right (radiological "
        "view). Grey: not measured in every subject.",
        broad=True,
    ),
    "group_maps_r2star": Figure(
        made_by="group_maps",
        title="R2* of both groups in template space",
        caption="As above, for R2*.",
        broad=True,
    ),
    "slice_importance": Figure(
        made_by="slice_importance",
        per_input=True,
        title="Weight of the slices",
        caption="How much weight the scan model gives to each slice of a scan, from the lowest to the highest.",
    ),
}


def tables_of(rule: str) -> list[str]:
    """Names of the tables that a rule makes."""
    return [name for name, table in TABLES.items() if table.made_by == rule]


def tables_shown_in(place: str) -> list[str]:
    """Names of the tables that `report`, `model_card`, `checklist`, `validation` or `repeatability` shows."""
    return [name for name, table in TABLES.items() if place in table.shown_in]


def figures_of(rule: str, without_tables: tuple[str, ...] = ()) -> list[str]:
    """Names of the figures that a rule makes, but those that draw a table in `without_tables`."""
    return [name for name, figure in FIGURES.items() if figure.made_by == rule and figure.table not in without_tables]
