# The simulated cohort: a BIDS dataset of raw echoes, and the truth behind it.


rule simulate_cohort:
    output:
        participants=P.raw("participants.tsv"),
        participants_json=P.raw("participants.json"),
        description=P.raw("dataset_description.json"),
        readme=P.raw("README"),
        truth=P.truth("cohort.tsv"),
        ceiling=P.truth("ceiling.json"),
        truth_description=P.truth("dataset_description.json"),
        truth_ignore=P.truth(".bidsignore"),
    log:
        P.log("simulate_cohort"),
    benchmark:
        P.benchmark("simulate_cohort")
    localrule: True
    conda:
        "../envs/simulate.yaml"
    params:
        code=code("workflow/scripts/simulate_cohort.py", "resources/nuclei.tsv"),
        cfg=CFG["simulate"],
    script:
        "../scripts/simulate_cohort.py"


rule simulate_subject:
    output:
        images=planned_images(CFG["simulate"], P),
        sidecars=planned_sidecars(CFG["simulate"], P),
        chi=P.truth_map("Chimap"),
        r2star=P.truth_map("R2starmap"),
        t1=P.truth_map("T1map"),
        total_field=P.truth_map("desc-total_fieldmap"),
        local_field=P.truth_map("desc-local_fieldmap"),
        brain_mask=P.truth_map("desc-brain_mask"),
        nuclei=P.truth_map("desc-nuclei_dseg"),
    log:
        P.scan_log("simulate_subject"),
    benchmark:
        P.scan_benchmark("simulate_subject")
    conda:
        "../envs/simulate.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/simulate_subject.py", "resources/nuclei.tsv"),
        cfg=smallest_cohort,
    script:
        "../scripts/simulate_subject.py"


rule simulate:
    input:
        rules.simulate_cohort.output,
        of_scans(rules.simulate_subject.output, SCANS if SIMULATED else []),
    localrule: True
