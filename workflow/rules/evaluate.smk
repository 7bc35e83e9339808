# Evaluation: predictions → the paper's tables and figures and what belongs beside them, against the truth where it is known.

from qnet.evaluation.manifest import figures_of, tables_of

TABLES = tables_of("evaluate")
FIGURES = figures_of("evaluate", () if RUN.cfg["runs"]["variants"] else ("ablation",))


rule region_features:
    input:
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
        t1w=rules.t1w_map.output.t1w,
        dseg=rules.locate_nuclei.output.dseg,
        box=rules.locate_nuclei.output.box,
        stats=rules.locate_nuclei.output.stats,
    output:
        features=RUN.paths.work("features.tsv"),
    log:
        RUN.paths.scan_log("region_features"),
    benchmark:
        RUN.paths.scan_benchmark("region_features")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/region_features.py", "resources/nuclei.tsv"),
        cfg=RUN.cfg["region_features"],
    script:
        "../scripts/region_features.py"


rule baselines:
    input:
        folds=rules.folds.output.folds,
        features=INPUTS.of_scans(rules.region_features.output.features, RUN.diagnosed.values()),
        stacks=STACKS,
        embeddings=LEARNING.folds_of(rules.embed_slices.output.embeddings),
    output:
        predictions=RUN.paths.learning("baselines.tsv"),
        permutation=RUN.paths.table("permutation"),
        harmonisation=RUN.paths.table("harmonisation"),
    log:
        RUN.paths.log("baselines"),
    benchmark:
        RUN.paths.benchmark("baselines")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/baselines.py"),
        cfg=RUN.cfg["baselines"],
        combat=RUN.combat,
        runs=[[name, seed, fold] for name in RUN.inputs for seed in RUN.seeds for fold in RUN.folds],
    script:
        "../scripts/baselines.py"


rule evaluate:
    input:
        predictions=LEARNING.folds_of(rules.predict_fold.output.predictions),
        baselines=rules.baselines.output.predictions,
        variants=expand(rules.variant_predictions.output.predictions, name=RUN.cfg["runs"]["variants"]),
        folds=rules.folds.output.folds,
        ceiling=rules.simulate_cohort.output.ceiling if RUN.simulated else [],
        truth=rules.simulate_cohort.output.truth if RUN.simulated else [],
    output:
        **{name: RUN.paths.table(name) for name in TABLES},
        **{name: RUN.paths.figure(name) for name in FIGURES},
        merged=RUN.paths.learning("predictions.tsv"),
    log:
        RUN.paths.log("evaluate"),
    benchmark:
        RUN.paths.benchmark("evaluate")
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/evaluate.py", "resources/paper_results.tsv"),
        cfg=RUN.cfg["evaluate"],
        all_maps=len(RUN.cfg["normalise"]["channels"]) == 3,
    script:
        "../scripts/evaluate.py"


rule augmentation_samples:
    input:
        stack=next(iter(INPUTS.files_of(rules.slice_stack.output.stack, list(RUN.diagnosed.values())[:1])), []),
    output:
        figure=RUN.paths.figure("augmentation_samples"),
    log:
        RUN.paths.log("augmentation_samples"),
    benchmark:
        RUN.paths.benchmark("augmentation_samples")
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/augmentation_samples.py"),
        cfg={
            "normalise": RUN.cfg["normalise"],
            "augmentation": RUN.cfg["train_image_model"]["augmentation"],
            "seed": RUN.seeds[0],
            "synthetic": RUN.simulated,
        },
    script:
        "../scripts/augmentation_samples.py"


rule class_activation:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        nuclei=INPUTS.of_scans(rules.locate_nuclei.output.dseg, RUN.diagnosed.values()),
        masks=INPUTS.of_scans(rules.brain_mask.output.mask, RUN.diagnosed.values()),
        swa_weights=LEARNING.first_seed(rules.train_image_model.output.swa_weights),
    output:
        figure=RUN.paths.figure("class_activation_{input}"),
        template=RUN.paths.figure("class_activation_template_{input}"),
        table=RUN.paths.table("class_activation_{input}"),
        overlays=expand(
            RUN.paths.viewer("{scan}_class-activation-{input}.js"), scan=RUN.diagnosed.values(), allow_missing=True
        ),
    log:
        RUN.paths.log("class_activation", "input"),
    benchmark:
        RUN.paths.benchmark("class_activation", "input")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/class_activation.py"),
        cfg={"synthetic": RUN.simulated, "bootstrap": RUN.cfg["evaluate"]["bootstrap"]},
    script:
        "../scripts/class_activation.py"


rule slice_importance:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        slice_weights=LEARNING.first_seed(rules.predict_fold.output.slice_weights),
    output:
        figure=RUN.paths.figure("slice_importance_{input}"),
        table=RUN.paths.table("slice_importance_{input}"),
    log:
        RUN.paths.log("slice_importance", "input"),
    benchmark:
        RUN.paths.benchmark("slice_importance", "input")
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/slice_importance.py", "resources/nuclei_shapes.tsv"),
        cfg={"synthetic": RUN.simulated, "bootstrap": RUN.cfg["evaluate"]["bootstrap"]},
    script:
        "../scripts/slice_importance.py"


rule map_accuracy:
    input:
        chi=INPUTS.of_scans(rules.combine_echoes.output.chi, RUN.scans),
        r2star=INPUTS.of_scans(rules.r2star_map.output.r2star, RUN.scans),
        eroded=INPUTS.of_scans(rules.local_field.output.eroded, RUN.scans),
        true_chi=INPUTS.of_scans(rules.simulate_subject.output.chi, RUN.scans),
        true_r2star=INPUTS.of_scans(rules.simulate_subject.output.r2star, RUN.scans),
        true_nuclei=INPUTS.of_scans(rules.simulate_subject.output.nuclei, RUN.scans),
    output:
        table=RUN.paths.table("map_accuracy"),
    log:
        RUN.paths.log("map_accuracy"),
    benchmark:
        RUN.paths.benchmark("map_accuracy")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/map_accuracy.py", "resources/nuclei.tsv"),
    script:
        "../scripts/map_accuracy.py"
