# Evaluation: predictions → the paper's tables and figures, against the truth where it is known.


rule evaluate:
    input:
        predictions=expand(rules.predict_fold.output.predictions, input=INPUTS, seed=SEEDS, fold=FOLDS),
        ceiling=rules.simulate_cohort.output.ceiling if SIMULATED else [],
        truth=rules.simulate_cohort.output.truth if SIMULATED else [],
    output:
        merged=P.learning("predictions.tsv"),
        table1=P.table("table1"),
        table2=P.table("table2"),
        table3=P.table("table3"),
        delong=P.table("delong"),
        roc_image=P.figure("roc_image"),
        roc_scan=P.figure("roc_scan"),
        auc_boxplot=P.figure("auc_boxplot"),
    log:
        P.log("evaluate"),
    benchmark:
        P.benchmark("evaluate")
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/evaluate.py"),
        cfg=CFG["evaluate"],
    script:
        "../scripts/evaluate.py"


rule class_activation:
    input:
        folds=rules.folds.output.folds,
        stacks=of_scans(rules.slice_stack.output.stack, DIAGNOSED.values()),
        swa_weights=expand(rules.train_image_model.output.swa_weights, seed=SEEDS[0], fold=FOLDS, allow_missing=True),
    output:
        figure=P.figure("class_activation_{input}"),
    log:
        P.log("class_activation", "input"),
    benchmark:
        P.benchmark("class_activation", "input")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/class_activation.py"),
        cfg={"synthetic": SIMULATED},
    script:
        "../scripts/class_activation.py"


rule map_accuracy:
    input:
        chi=of_scans(rules.combine_echoes.output.chi, SCANS),
        r2star=of_scans(rules.r2star_map.output.r2star, SCANS),
        eroded=of_scans(rules.local_field.output.eroded, SCANS),
        true_chi=of_scans(rules.simulate_subject.output.chi, SCANS),
        true_r2star=of_scans(rules.simulate_subject.output.r2star, SCANS),
        true_nuclei=of_scans(rules.simulate_subject.output.nuclei, SCANS),
    output:
        table=P.table("map_accuracy"),
    log:
        P.log("map_accuracy"),
    benchmark:
        P.benchmark("map_accuracy")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/map_accuracy.py", "resources/nuclei.tsv"),
    script:
        "../scripts/map_accuracy.py"
