# The report: one self-contained page that a reader understands alone.


rule report:
    input:
        table1=rules.evaluate.output.table1,
        table2=rules.evaluate.output.table2,
        table3=rules.evaluate.output.table3,
        delong=rules.evaluate.output.delong,
        roc_image=rules.evaluate.output.roc_image,
        roc_scan=rules.evaluate.output.roc_scan,
        auc_boxplot=rules.evaluate.output.auc_boxplot,
        accuracy=rules.map_accuracy.output.table if SIMULATED else [],
        cams=expand(rules.class_activation.output.figure, input=INPUTS),
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
        code=code(
            "workflow/scripts/report.py",
            "workflow/report/base.html.j2",
            "workflow/report/report.html.j2",
        ),
        cfg=CFG,
        synthetic=SIMULATED,
        flow=STUDY.flow,
    script:
        "../scripts/report.py"
