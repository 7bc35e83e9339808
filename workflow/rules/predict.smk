# A trained run applied to unseen subjects: `snakemake predict --config model=RUN bids_dir=NEW dataset=NAME`, and judged on
# them where their groups are known: `snakemake validate …`.


rule model_card:
    input:
        folds=rules.folds.output.folds,
        predictions=rules.evaluate.output.merged,
        table3=rules.evaluate.output.table3,
        subgroups=rules.evaluate.output.subgroups,
        confounds=rules.evaluate.output.confounds,
        between_sites=rules.evaluate.output.between_sites,
        stats=INPUTS.of_scans(rules.locate_nuclei.output.stats, RUN.diagnosed.values()),
        stacks=STACKS,
        acquisitions=INPUTS.of_scans(rules.prepare_echoes.output.acquisition, RUN.diagnosed.values()),
        embeddings=expand(LEARNING.first_seed(rules.embed_slices.output.embeddings), input=RUN.inputs),
        image_weights=LEARNING.folds_of(rules.train_image_model.output.swa_weights),
        scan_weights=LEARNING.folds_of(rules.train_scan_model.output.weights),
    output:
        bundle=RUN.paths.learning("model.json"),
        card=f"{RUN.paths.root}/model_card.md",
    log:
        RUN.paths.log("model_card"),
    benchmark:
        RUN.paths.benchmark("model_card")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/model_card.py", "workflow/report/model_card.md.j2"),
        cfg={section: RUN.cfg[section] for section in NEEDED},
        synthetic=RUN.simulated,
    script:
        "../scripts/model_card.py"


rule predict_scan:
    input:
        INPUTS.trained("weights"),
        bundle=INPUTS.trained("bundle"),
        stack=rules.slice_stack.output.stack,
        stats=rules.locate_nuclei.output.stats,
        participants=RUN.known_participants,
    output:
        scores=RUN.paths.work("scores.json"),
    log:
        RUN.paths.scan_log("predict_scan"),
    benchmark:
        RUN.paths.scan_benchmark("predict_scan")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/predict_scan.py"),
        age_column=RUN.cfg["participants"]["age_column"],
        site=INPUTS.site,
    script:
        "../scripts/predict_scan.py"


rule prediction_page:
    input:
        unpack(
            INPUTS.same_scan(
                scores=rules.predict_scan.output.scores,
                stack=rules.slice_stack.output.stack,
                stats=rules.locate_nuclei.output.stats,
                acquisition=rules.prepare_echoes.output.acquisition,
                warnings=rules.subject_page.output.warnings,
            )
        ),
        bundle=INPUTS.trained("bundle"),
        participants=RUN.known_participants,
    output:
        page=f"{RUN.paths.root}/{{scan}}_prediction.html",
        result=RUN.paths.prediction(),
    log:
        RUN.paths.log("prediction_page", "scan"),
    benchmark:
        RUN.paths.benchmark("prediction_page", "scan")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code(
            "workflow/scripts/prediction_page.py",
            "workflow/report/base.html.j2",
            "workflow/report/prediction.html.j2",
        ),
        age_column=RUN.cfg["participants"]["age_column"],
        synthetic=RUN.simulated,
    script:
        "../scripts/prediction_page.py"


rule predictions_table:
    input:
        results=INPUTS.of_scans(rules.prediction_page.output.result, RUN.applied),
    output:
        predictions=f"{RUN.paths.root}/predictions.tsv",
        z_scores=f"{RUN.paths.root}/z_scores.tsv",
    log:
        RUN.paths.log("predictions_table"),
    benchmark:
        RUN.paths.benchmark("predictions_table")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/predictions_table.py"),
        model=RUN.model[1]["dataset"] if RUN.model else "",
    script:
        "../scripts/predictions_table.py"


rule predict:
    input:
        rules.maps.input,
        rules.predictions_table.output,
        INPUTS.of_scans(rules.prediction_page.output.page, RUN.applied),
    localrule: True


rule external_validation:
    input:
        results=INPUTS.of_scans(rules.prediction_page.output.result, RUN.diagnosed.values()),
        warnings=INPUTS.of_scans(rules.subject_page.output.warnings, RUN.diagnosed.values()),
        participants=INPUTS.labelled,
        bundle=INPUTS.trained("bundle"),
    output:
        page=f"{RUN.paths.root}/validation.html",
        predictions=RUN.paths.learning("validation.tsv"),
        validation=RUN.paths.table("validation"),
        validation_strata=RUN.paths.table("validation_strata"),
        validation_sites=RUN.paths.table("validation_sites"),
        validation_updates=RUN.paths.table("validation_updates"),
        validation_reliability=RUN.paths.table("validation_reliability"),
        validation_decision_curve=RUN.paths.table("validation_decision_curve"),
        validation_roc=RUN.paths.figure("validation_roc"),
        validation_calibration=RUN.paths.figure("validation_calibration"),
        validation_decision=RUN.paths.figure("validation_decision"),
    log:
        RUN.paths.log("external_validation"),
    benchmark:
        RUN.paths.benchmark("external_validation")
    conda:
        "../envs/qnet.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code(
            "workflow/scripts/external_validation.py",
            "workflow/report/base.html.j2",
            "workflow/report/macros.html.j2",
            "workflow/report/validation.html.j2",
        ),
        cfg={section: RUN.cfg[section] for section in ("participants", "evaluate")},
        synthetic=RUN.simulated,
        dataset=RUN.cfg["dataset"],
    script:
        "../scripts/external_validation.py"


rule validation_checklist:
    input:
        tables=[RUN.paths.table(name) for name in tables_shown_in("validation")],
        predictions=rules.external_validation.output.predictions,
        participants=RUN.known_participants,
        bundle=INPUTS.trained("bundle"),
    output:
        table=RUN.paths.table("validation_checklist"),
        page=f"{RUN.paths.root}/validation_checklist.html",
    log:
        RUN.paths.log("validation_checklist"),
    benchmark:
        RUN.paths.benchmark("validation_checklist")
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        **ABOUT_CHECKLISTS,
    script:
        "../scripts/checklist.py"


rule validate:
    input:
        rules.maps.input,
        rules.external_validation.output,
        rules.validation_checklist.output,
        INPUTS.of_scans(rules.prediction_page.output.page, RUN.diagnosed.values()),
    localrule: True


run_stages_here(workflow)  # the last file of rules
