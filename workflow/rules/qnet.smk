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
        stack=P.work("stack.npz"),
    log:
        P.scan_log("slice_stack"),
    benchmark:
        P.scan_benchmark("slice_stack")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/slice_stack.py"),
        cfg=CFG["slice_stack"],
    script:
        "../scripts/slice_stack.py"


rule folds:
    input:
        participants=participants,
    output:
        folds=P.learning("folds.tsv"),
    log:
        P.log("folds"),
    benchmark:
        P.benchmark("folds")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/folds.py"),
        cfg={
            "folds": CFG["folds"],
            "participants": CFG["participants"],
            "subjects": list(DIAGNOSED),
        },
    script:
        "../scripts/folds.py"


STACKS = of_scans(rules.slice_stack.output.stack, DIAGNOSED.values())


rule train_image_model:
    input:
        initial_weights,
        folds=rules.folds.output.folds,
        stacks=STACKS,
    output:
        weights=P.fold("image_model.safetensors"),
        swa_weights=P.fold("image_model_swa.safetensors"),
        log=P.fold("image_training.jsonl"),
    log:
        P.fold_log("train_image_model"),
    benchmark:
        P.fold_benchmark("train_image_model")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/train_image_model.py"),
        cfg=image_stage,
    script:
        "../scripts/train_image_model.py"


rule train_inner_model:
    input:
        initial_weights,
        folds=rules.folds.output.folds,
        stacks=STACKS,
    output:
        weights=P.fold("inner-{inner}/image_model.safetensors"),
        swa_weights=P.fold("inner-{inner}/image_model_swa.safetensors"),
        log=P.fold("inner-{inner}/image_training.jsonl"),
    log:
        P.fold_log("train_inner_model", "inner"),
    benchmark:
        P.fold_benchmark("train_inner_model", "inner")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/train_image_model.py"),
        cfg=inner_stage,
    script:
        "../scripts/train_image_model.py"


rule embed_slices:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        swa_weights=image_model(rules.train_image_model.output.swa_weights),
        inner_weights=inner_models(rules.train_inner_model.output.swa_weights),
    output:
        embeddings=P.fold("embeddings.safetensors"),
    log:
        P.fold_log("embed_slices"),
    benchmark:
        P.fold_benchmark("embed_slices")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/embed_slices.py"),
        cfg=embedding,
    script:
        "../scripts/embed_slices.py"


rule train_scan_model:
    input:
        folds=rules.folds.output.folds,
        embeddings=rules.embed_slices.output.embeddings,
        encoder=encoder,
    output:
        weights=P.fold("scan_model.safetensors"),
        log=P.fold("scan_training.jsonl"),
    log:
        P.fold_log("train_scan_model"),
    benchmark:
        P.fold_benchmark("train_scan_model")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/train_scan_model.py"),
        cfg=scan_stage,
    script:
        "../scripts/train_scan_model.py"


rule predict_fold:
    input:
        folds=rules.folds.output.folds,
        stacks=STACKS,
        weights=image_model(rules.train_image_model.output.weights),
        swa_weights=image_model(rules.train_image_model.output.swa_weights),
        embeddings=rules.embed_slices.output.embeddings,
        scan_weights=rules.train_scan_model.output.weights,
    output:
        predictions=P.fold("predictions.tsv"),
        slice_weights=P.fold("slice_weights.tsv"),
    log:
        P.fold_log("predict_fold"),
    benchmark:
        P.fold_benchmark("predict_fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/predict_fold.py"),
    script:
        "../scripts/predict_fold.py"


rule variant_predictions:
    input:
        predictions=lambda wildcards: folds_of(rules.predict_fold.output.predictions, f"variants/{wildcards.name}/"),
    output:
        predictions=P.learning("variants/{name}/predictions.tsv"),
    log:
        P.log("variants/{name}/variant_predictions"),
    benchmark:
        P.benchmark("variants/{name}/variant_predictions")
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
        truth=rules.simulate_cohort.output.truth if SIMULATED else [],
    output:
        encoder=P.learning("encoder_{input}.safetensors"),
        log=P.learning("encoder_{input}.jsonl"),
    log:
        P.log("pretrain_encoder", "input"),
    benchmark:
        P.benchmark("pretrain_encoder", "input")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/pretrain_encoder.py", "resources/nuclei.tsv"),
        cfg=PRETRAINING,
    script:
        "../scripts/pretrain_encoder.py"


rule pretrain:
    input:
        expand(rules.pretrain_encoder.output.encoder, input=INPUTS) if SIMULATED else only_simulated,
    localrule: True
