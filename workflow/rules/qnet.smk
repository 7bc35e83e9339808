# Learning: maps → predictions. Stage 1 and 2 of the Q-Net for each input, seed and fold.


rule slice_stack:
    input:
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
        t1w=rules.t1w_map.output.t1w,
        box=rules.locate_nuclei.output.box,
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


rule train_image_model:
    input:
        *WEIGHTS,
        folds=rules.folds.output.folds,
        stacks=of_scans(rules.slice_stack.output.stack, DIAGNOSED.values()),
    output:
        weights=P.fold("image_model.safetensors"),
        swa_weights=P.fold("image_model_swa.safetensors"),
        log=P.fold("image_training.jsonl"),
    log:
        P.log("train_image_model", "input", "seed", "fold"),
    benchmark:
        P.benchmark("train_image_model", "input", "seed", "fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/train_image_model.py"),
        cfg=CFG["train_image_model"],
    script:
        "../scripts/train_image_model.py"


rule embed_slices:
    input:
        stacks=of_scans(rules.slice_stack.output.stack, DIAGNOSED.values()),
        swa_weights=rules.train_image_model.output.swa_weights,
    output:
        embeddings=P.fold("embeddings.safetensors"),
    log:
        P.log("embed_slices", "input", "seed", "fold"),
    benchmark:
        P.benchmark("embed_slices", "input", "seed", "fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/embed_slices.py"),
    script:
        "../scripts/embed_slices.py"


rule train_scan_model:
    input:
        folds=rules.folds.output.folds,
        embeddings=rules.embed_slices.output.embeddings,
    output:
        weights=P.fold("scan_model.safetensors"),
        log=P.fold("scan_training.jsonl"),
    log:
        P.log("train_scan_model", "input", "seed", "fold"),
    benchmark:
        P.benchmark("train_scan_model", "input", "seed", "fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/train_scan_model.py"),
        cfg=CFG["train_scan_model"],
    script:
        "../scripts/train_scan_model.py"


rule predict_fold:
    input:
        folds=rules.folds.output.folds,
        stacks=of_scans(rules.slice_stack.output.stack, DIAGNOSED.values()),
        weights=rules.train_image_model.output.weights,
        swa_weights=rules.train_image_model.output.swa_weights,
        embeddings=rules.embed_slices.output.embeddings,
        scan_weights=rules.train_scan_model.output.weights,
    output:
        predictions=P.fold("predictions.tsv"),
    log:
        P.log("predict_fold", "input", "seed", "fold"),
    benchmark:
        P.benchmark("predict_fold", "input", "seed", "fold")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/predict_fold.py"),
    script:
        "../scripts/predict_fold.py"
