# Evaluation: predictions → the paper's tables and figures and what belongs beside them, against the truth where it is known.

from qnet.evaluation.manifest import figures_of, tables_of

TABLES = tables_of("evaluate")
FIGURES = figures_of("evaluate", () if CFG["runs"]["variants"] else ("ablation",))


rule region_features:
    input:
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
        t1w=rules.t1w_map.output.t1w,
        dseg=rules.locate_nuclei.output.dseg,
        box=rules.locate_nuclei.output.box,
        stats=rules.locate_nuclei.output.stats,
    output:
        features=P.work("features.tsv"),
    log:
        P.scan_log("region_features"),
    benchmark:
        P.scan_benchmark("region_features")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/region_features.py"),
        cfg=CFG["region_features"],
    script:
        "../scripts/region_features.py"


rule baselines:
    input:
        folds=rules.folds.output.folds,
        features=of_scans(rules.region_features.output.features, DIAGNOSED.values()),
        stacks=STACKS,
        embeddings=folds_of(rules.embed_slices.output.embeddings),
    output:
        predictions=P.learning("baselines.tsv"),
        permutation=P.table("permutation"),
    log:
        P.log("baselines"),
    benchmark:
        P.benchmark("baselines")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/baselines.py"),
        cfg=CFG["baselines"],
        runs=[[name, seed, fold] for name in INPUTS for seed in SEEDS for fold in FOLDS],
    script:
        "../scripts/baselines.py"


rule evaluate:
    input:
        predictions=folds_of(rules.predict_fold.output.predictions),
        baselines=rules.baselines.output.predictions,
        variants=expand(rules.variant_predictions.output.predictions, name=CFG["runs"]["variants"]),
        folds=rules.folds.output.folds,
        ceiling=rules.simulate_cohort.output.ceiling if SIMULATED else [],
        truth=rules.simulate_cohort.output.truth if SIMULATED else [],
    output:
        **{name: P.table(name) for name in TABLES},
        **{name: P.figure(name) for name in FIGURES},
        merged=P.learning("predictions.tsv"),
    log:
        P.log("evaluate"),
    benchmark:
        P.benchmark("evaluate")
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/evaluate.py", "resources/paper_results.tsv"),
        cfg=CFG["evaluate"],
    script:
        "../scripts/evaluate.py"


rule augmentation_samples:
    input:
        stack=next(iter(files_of(rules.slice_stack.output.stack, list(DIAGNOSED.values())[:1])), []),
    output:
        figure=P.figure("augmentation_samples"),
    log:
        P.log("augmentation_samples"),
    benchmark:
        P.benchmark("augmentation_samples")
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/augmentation_samples.py"),
        cfg={
            "normalise": CFG["normalise"],
            "augmentation": CFG["train_image_model"]["augmentation"],
            "seed": SEEDS[0],
            "synthetic": SIMULATED,
        },
    script:
        "../scripts/augmentation_samples.py"


rule class_activation:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        swa_weights=expand(
            rules.train_image_model.output.swa_weights, variant=MAIN, seed=SEEDS[0], fold=FOLDS, allow_missing=True
        ),
    output:
        figure=P.figure("class_activation_{input}"),
        template=P.figure("class_activation_template_{input}"),
        table=P.table("class_activation_{input}"),
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
        cfg={"synthetic": SIMULATED, "bootstrap": CFG["evaluate"]["bootstrap"]},
    script:
        "../scripts/class_activation.py"


rule slice_importance:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        slice_weights=expand(
            rules.predict_fold.output.slice_weights, variant=MAIN, seed=SEEDS[0], fold=FOLDS, allow_missing=True
        ),
    output:
        figure=P.figure("slice_importance_{input}"),
        table=P.table("slice_importance_{input}"),
    log:
        P.log("slice_importance", "input"),
    benchmark:
        P.benchmark("slice_importance", "input")
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/slice_importance.py", "resources/nuclei.tsv"),
        cfg={"synthetic": SIMULATED, "bootstrap": CFG["evaluate"]["bootstrap"]},
    script:
        "../scripts/slice_importance.py"


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
