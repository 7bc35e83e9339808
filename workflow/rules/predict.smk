# A trained run applied to unseen subjects: `snakemake predict --config model=RUN bids_dir=NEW dataset=NAME`.


rule model_card:
    input:
        folds=rules.folds.output.folds,
        predictions=rules.evaluate.output.merged,
        table3=rules.evaluate.output.table3,
        stats=of_scans(rules.locate_nuclei.output.stats, DIAGNOSED.values()),
        stacks=STACKS,
        acquisitions=of_scans(rules.prepare_echoes.output.acquisition, DIAGNOSED.values()),
        embeddings=expand(
            rules.embed_slices.output.embeddings,
            variant=MAIN,
            input=INPUTS,
            seed=SEEDS[:1],
            fold=FOLDS,
        ),
        image_weights=folds_of(rules.train_image_model.output.swa_weights),
        scan_weights=folds_of(rules.train_scan_model.output.weights),
    output:
        bundle=P.learning("model.json"),
        card=f"{P.root}/model_card.md",
    log:
        P.log("model_card"),
    benchmark:
        P.benchmark("model_card")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/model_card.py", "workflow/report/model_card.md.j2"),
        cfg={section: CFG[section] for section in NEEDED},
        synthetic=SIMULATED,
    script:
        "../scripts/model_card.py"


rule predict_scan:
    input:
        trained("weights"),
        bundle=trained("bundle"),
        stack=rules.slice_stack.output.stack,
        participants=PARTICIPANTS if SIMULATED or Path(PARTICIPANTS).is_file() else [],
    output:
        scores=P.work("scores.json"),
    log:
        P.scan_log("predict_scan"),
    benchmark:
        P.scan_benchmark("predict_scan")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/predict_scan.py"),
        age_column=CFG["participants"]["age_column"],
    script:
        "../scripts/predict_scan.py"


rule prediction_page:
    input:
        unpack(
            same_scan(
                scores=rules.predict_scan.output.scores,
                stack=rules.slice_stack.output.stack,
                stats=rules.locate_nuclei.output.stats,
                acquisition=rules.prepare_echoes.output.acquisition,
                warnings=rules.subject_page.output.warnings,
            )
        ),
        bundle=trained("bundle"),
        participants=PARTICIPANTS if SIMULATED or Path(PARTICIPANTS).is_file() else [],
    output:
        page=f"{P.root}/{{scan}}_prediction.html",
        result=P.prediction(),
    log:
        P.log("prediction_page", "scan"),
    benchmark:
        P.benchmark("prediction_page", "scan")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code(
            "workflow/scripts/prediction_page.py",
            "workflow/report/base.html.j2",
            "workflow/report/prediction.html.j2",
        ),
        age_column=CFG["participants"]["age_column"],
        synthetic=SIMULATED,
    script:
        "../scripts/prediction_page.py"


rule predictions_table:
    input:
        results=of_scans(rules.prediction_page.output.result, APPLIED),
    output:
        predictions=f"{P.root}/predictions.tsv",
        z_scores=f"{P.root}/z_scores.tsv",
    log:
        P.log("predictions_table"),
    benchmark:
        P.benchmark("predictions_table")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/predictions_table.py"),
        model=MODEL[1]["dataset"] if MODEL else "",
    script:
        "../scripts/predictions_table.py"


rule predict:
    input:
        rules.maps.input,
        rules.predictions_table.output,
        of_scans(rules.prediction_page.output.page, APPLIED),
    localrule: True
