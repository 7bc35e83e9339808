# The report: one self-contained page that a reader understands alone, and the checklists beside it.

from qnet.evaluation.manifest import tables_shown_in

PAGES = ("base", "macros", "report", "results", "trust", "cohort", "steps")


rule cohort_figures:
    input:
        folds=rules.folds.output.folds,
    output:
        cohort=P.figure("cohort"),
        participants_flow=P.figure("participants_flow"),
    log:
        P.log("cohort_figures"),
    benchmark:
        P.benchmark("cohort_figures")
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        code=code("workflow/scripts/cohort_figures.py"),
        flow=STUDY.flow,
        synthetic=SIMULATED,
    script:
        "../scripts/cohort_figures.py"


rule checklist:
    input:
        folds=rules.folds.output.folds,
        tables=[P.table(name) for name in tables_shown_in("checklist")],
    output:
        table=P.table("checklist"),
        page=f"{P.root}/checklist.html",
    log:
        P.log("checklist"),
    benchmark:
        P.benchmark("checklist")
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        code=code(
            "workflow/scripts/checklist.py",
            "resources/tripod_ai.tsv",
            "resources/claim.tsv",
            "workflow/report/base.html.j2",
            "workflow/report/checklist.html.j2",
        ),
        cfg=CFG,
        flow=STUDY.flow,
        synthetic=SIMULATED,
    script:
        "../scripts/checklist.py"


rule report:
    input:
        tables=[
            *[P.table(name) for name in TABLES],
            *([rules.map_accuracy.output.table] if SIMULATED else []),
            *expand([rules.class_activation.output.table, rules.slice_importance.output.table], input=INPUTS),
        ],
        figures=[
            *[P.figure(name) for name in FIGURES],
            *rules.cohort_figures.output,
            *rules.augmentation_samples.output,
            *expand(
                [
                    rules.class_activation.output.figure,
                    rules.class_activation.output.template,
                    rules.slice_importance.output.figure,
                ],
                input=INPUTS,
            ),
        ],
        folds=rules.folds.output.folds,
        pages=of_scans(rules.subject_page.output.page, SCANS),
        warnings=of_scans(rules.subject_page.output.warnings, SCANS),
        example=of_scans(
            [
                rules.subject_page.output.chi_picture,
                *([rules.subject_page.output.r2star_picture] if HAS_R2STAR else []),
                rules.subject_page.output.t1w_picture,
            ],
            list(SCANS)[:1],
        ),
    output:
        report=f"{P.root}/report.html",
    log:
        P.log("report"),
    benchmark:
        P.benchmark("report")
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/report.py", *[f"workflow/report/{name}.html.j2" for name in PAGES]),
        cfg=CFG,
        synthetic=SIMULATED,
        flow=STUDY.flow,
        beside=["methods.md", "model_card.md", "checklist.html"],
    script:
        "../scripts/report.py"
