# Learning: maps → predictions. Stage 1 and 2 of the Q-Net for each run (the main one and its variants), input, seed, fold.


rule slice_stack:
    input:
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
        t1w=rules.t1w_map.output.t1w,
        box=rules.locate_nuclei.output.box,
        nuclei=rules.locate_nuclei.output.dseg,
        mask=rules.brain_mask.output.mask,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
    output:
        stack=RUN.paths.work("stack.npz"),
    log:
        RUN.paths.scan_log("slice_stack"),
    benchmark:
        RUN.paths.scan_benchmark("slice_stack")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/slice_stack.py"),
        cfg=RUN.cfg["slice_stack"],
    script:
        "../scripts/slice_stack.py"


rule folds:
    input:
        participants=INPUTS.participants,
    output:
        folds=RUN.paths.learning("folds.tsv"),
    log:
        RUN.paths.log("folds"),
    benchmark:
        RUN.paths.benchmark("folds")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/folds.py"),
        cfg={
            "folds": RUN.cfg["folds"],
            "participants": RUN.cfg["participants"],
            "subjects": list(RUN.diagnosed),
        },
    script:
        "../scripts/folds.py"


STACKS = INPUTS.of_scans(rules.slice_stack.output.stack, RUN.diagnosed.values())
STATS = INPUTS.of_scans(rules.locate_nuclei.output.stats, RUN.diagnosed.values())
FEATURES = INPUTS.of_scans(RUN.paths.work("features.tsv"), RUN.diagnosed.values())


rule train_image_model:
    input:
        LEARNING.initial_weights,
        folds=rules.folds.output.folds,
        stacks=STACKS,
        features=LEARNING.of_windows(FEATURES),
    output:
        weights=RUN.paths.fold("image_model.safetensors"),
        swa_weights=RUN.paths.fold("image_model_swa.safetensors"),
        log=RUN.paths.fold("image_training.jsonl"),
    log:
        RUN.paths.fold_log("train_image_model"),
    benchmark:
        RUN.paths.fold_benchmark("train_image_model")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/train_image_model.py"),
        cfg=LEARNING.image_stage,
    script:
        "../scripts/train_image_model.py"


rule train_inner_model:
    input:
        LEARNING.initial_weights,
        folds=rules.folds.output.folds,
        stacks=STACKS,
        features=LEARNING.of_windows(FEATURES),
    output:
        weights=RUN.paths.fold("inner-{inner}/image_model.safetensors"),
        swa_weights=RUN.paths.fold("inner-{inner}/image_model_swa.safetensors"),
        log=RUN.paths.fold("inner-{inner}/image_training.jsonl"),
    log:
        RUN.paths.fold_log("train_inner_model", "inner"),
    benchmark:
        RUN.paths.fold_benchmark("train_inner_model", "inner")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/train_image_model.py"),
        cfg=LEARNING.inner_stage,
    script:
        "../scripts/train_image_model.py"


rule embed_slices:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        swa_weights=LEARNING.image_model(rules.train_image_model.output.swa_weights),
        inner_weights=LEARNING.inner_models(rules.train_inner_model.output.swa_weights),
    output:
        embeddings=RUN.paths.fold("embeddings.safetensors"),
    log:
        RUN.paths.fold_log("embed_slices"),
    benchmark:
        RUN.paths.fold_benchmark("embed_slices")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/embed_slices.py"),
        cfg=LEARNING.embedding,
    script:
        "../scripts/embed_slices.py"


rule train_scan_model:
    input:
        folds=rules.folds.output.folds,
        embeddings=rules.embed_slices.output.embeddings,
        encoder=LEARNING.encoder,
        stats=LEARNING.of_located(STATS),
        swa_weights=LEARNING.of_located(LEARNING.image_model(rules.train_image_model.output.swa_weights)),
    output:
        weights=RUN.paths.fold("scan_model.safetensors"),
        log=RUN.paths.fold("scan_training.jsonl"),
    log:
        RUN.paths.fold_log("train_scan_model"),
    benchmark:
        RUN.paths.fold_benchmark("train_scan_model")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/train_scan_model.py"),
        cfg=LEARNING.scan_stage,
    script:
        "../scripts/train_scan_model.py"


rule predict_fold:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        weights=LEARNING.image_model(rules.train_image_model.output.weights),
        swa_weights=LEARNING.image_model(rules.train_image_model.output.swa_weights),
        embeddings=rules.embed_slices.output.embeddings,
        scan_weights=rules.train_scan_model.output.weights,
        stats=LEARNING.of_located(STATS),
    output:
        predictions=RUN.paths.fold("predictions.tsv"),
        slice_weights=RUN.paths.fold("slice_weights.tsv"),
    log:
        RUN.paths.fold_log("predict_fold"),
    benchmark:
        RUN.paths.fold_benchmark("predict_fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/predict_fold.py"),
    script:
        "../scripts/predict_fold.py"


rule variant_predictions:
    input:
        predictions=LEARNING.of_variants(rules.predict_fold.output.predictions),
    output:
        predictions=RUN.paths.learning("variants/{name}/predictions.tsv"),
    log:
        RUN.paths.log("variants/{name}/variant_predictions"),
    benchmark:
        RUN.paths.benchmark("variants/{name}/variant_predictions")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/variant_predictions.py"),
    script:
        "../scripts/variant_predictions.py"


rule pretrain_encoder:
    input:
        stacks=STACKS,
        truth=rules.simulate_cohort.output.truth if RUN.simulated else [],
    output:
        encoder=RUN.paths.learning("encoder_{input}.safetensors"),
        log=RUN.paths.learning("encoder_{input}.jsonl"),
    log:
        RUN.paths.log("pretrain_encoder", "input"),
    benchmark:
        RUN.paths.benchmark("pretrain_encoder", "input")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/pretrain_encoder.py", "resources/nuclei.tsv"),
        cfg=LEARNING.pretraining,
    script:
        "../scripts/pretrain_encoder.py"


rule pretrain:
    input:
        expand(rules.pretrain_encoder.output.encoder, input=RUN.inputs) if RUN.simulated else only_simulated,
    localrule: True
