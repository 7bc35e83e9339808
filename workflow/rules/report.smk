# The report: one self-contained page that a reader understands alone, and the checklists beside it. Where subjects have several
# sessions or runs, `snakemake repeatability --config bids_dir=… dataset=…` says how repeatable the maps are; it needs no groups.

from qnet.evaluation.manifest import tables_shown_in
from workflow.lib.report.group_maps_files import images_of

ABOUT_CHECKLISTS = {
    "code": code(
        "workflow/scripts/checklist.py",
        "resources/tripod_ai.tsv",
        "resources/claim.tsv",
        "resources/probast_ai.tsv",
        "workflow/report/base.html.j2",
        "workflow/report/checklist.html.j2",
    ),
    "cfg": RUN.cfg,
    "flow": RUN.study.flow,
    "synthetic": RUN.simulated,
}
PAGES = ("base", "macros", "report", "results", "trust", "group_maps", "cohort", "steps")


rule cohort_figures:
    input:
        folds=rules.folds.output.folds,
    output:
        cohort=RUN.paths.figure("cohort"),
        participants_flow=RUN.paths.figure("participants_flow"),
    log:
        RUN.paths.log("cohort_figures"),
    benchmark:
        RUN.paths.benchmark("cohort_figures")
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        code=code("workflow/scripts/cohort_figures.py"),
        flow=RUN.study.flow,
        synthetic=RUN.simulated,
    script:
        "../scripts/cohort_figures.py"


rule group_maps:
    input:
        chi=INPUTS.of_scans(rules.template_maps.output.chi_map, RUN.diagnosed.values()),
        r2star=INPUTS.of_scans(rules.template_maps.output.r2star_map, RUN.diagnosed.values()),
        folds=rules.folds.output.folds,
    output:
        images=images_of(f"{RUN.paths.root}/group_maps", ("chi", "r2star")),
        table=RUN.paths.table("group_maps"),
        chi_picture=RUN.paths.figure("group_maps_chi"),
        r2star_picture=RUN.paths.figure("group_maps_r2star"),
    log:
        RUN.paths.log("group_maps"),
    benchmark:
        RUN.paths.benchmark("group_maps")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/group_maps.py", "resources/nuclei_shapes.tsv"),
        cfg=RUN.cfg["group_maps"],
        groups=RUN.cfg["participants"],
        synthetic=RUN.simulated,
    script:
        "../scripts/group_maps.py"


rule checklist:
    input:
        folds=rules.folds.output.folds,
        tables=[RUN.paths.table(name) for name in tables_shown_in("checklist")],
    output:
        table=RUN.paths.table("checklist"),
        page=f"{RUN.paths.root}/checklist.html",
    log:
        RUN.paths.log("checklist"),
    benchmark:
        RUN.paths.benchmark("checklist")
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        **ABOUT_CHECKLISTS,
    script:
        "../scripts/checklist.py"


rule report:
    input:
        tables=[
            *[RUN.paths.table(name) for name in TABLES],
            rules.baselines.output.harmonisation,
            *([rules.group_maps.output.table] if GROUP_MAPS else []),
            *([rules.map_accuracy.output.table] if RUN.simulated else []),
            *expand([rules.class_activation.output.table, rules.slice_importance.output.table], input=RUN.inputs),
        ],
        figures=[
            *[RUN.paths.figure(name) for name in FIGURES],
            *rules.cohort_figures.output,
            *rules.augmentation_samples.output,
            *([rules.group_maps.output.chi_picture, rules.group_maps.output.r2star_picture] if GROUP_MAPS else []),
            *expand(
                [
                    rules.class_activation.output.figure,
                    rules.class_activation.output.template,
                    rules.slice_importance.output.figure,
                ],
                input=RUN.inputs,
            ),
        ],
        folds=rules.folds.output.folds,
        pages=INPUTS.of_scans(rules.subject_page.output.page, RUN.scans),
        warnings=INPUTS.of_scans(rules.subject_page.output.warnings, RUN.scans),
        example=INPUTS.of_scans(
            [
                rules.subject_page.output.chi_picture,
                *([rules.subject_page.output.r2star_picture] if RUN.has_r2star else []),
                rules.subject_page.output.t1w_picture,
            ],
            list(RUN.scans)[:1],
        ),
    output:
        report=f"{RUN.paths.root}/report.html",
    log:
        RUN.paths.log("report"),
    benchmark:
        RUN.paths.benchmark("report")
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/report.py", *[f"workflow/report/{name}.html.j2" for name in PAGES]),
        cfg=RUN.cfg,
        synthetic=RUN.simulated,
        flow=RUN.study.flow,
        beside=["methods.md", "model_card.md", "checklist.html", "group.html"],
    script:
        "../scripts/report.py"


rule repeatability_report:
    input:
        stats=INPUTS.repeated(rules.locate_nuclei.output.stats),
    output:
        repeatability=RUN.paths.table("repeatability"),
        agreement=RUN.paths.table("agreement"),
        pairs=RUN.paths.table("pairs_of_scans"),
        figure=RUN.paths.figure("bland_altman"),
        page=f"{RUN.paths.root}/repeatability.html",
    log:
        RUN.paths.log("repeatability_report"),
    benchmark:
        RUN.paths.benchmark("repeatability_report")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code(
            "workflow/scripts/repeatability_report.py",
            "resources/nuclei.tsv",
            "resources/repeatability.tsv",
            "workflow/report/base.html.j2",
            "workflow/report/macros.html.j2",
            "workflow/report/repeatability.html.j2",
        ),
        cfg={section: RUN.cfg[section] for section in ("dataset", "evaluate", "participants")},
        sites=lambda wildcards: RUN.sites,
        synthetic=RUN.simulated,
    script:
        "../scripts/repeatability_report.py"


rule repeatability:
    input:
        rules.maps.input,
        rules.repeatability_report.output,
    localrule: True
