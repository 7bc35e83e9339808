# The simulated cohort: a BIDS dataset of raw echoes, and the truth behind it.


rule simulate_cohort:
    output:
        participants=RUN.paths.raw("participants.tsv"),
        participants_json=RUN.paths.raw("participants.json"),
        description=RUN.paths.raw("dataset_description.json"),
        readme=RUN.paths.raw("README"),
        truth=RUN.paths.truth("cohort.tsv"),
        ceiling=RUN.paths.truth("ceiling.json"),
        truth_description=RUN.paths.truth("dataset_description.json"),
        truth_ignore=RUN.paths.truth(".bidsignore"),
    log:
        RUN.paths.log("simulate_cohort"),
    benchmark:
        RUN.paths.benchmark("simulate_cohort")
    localrule: True
    conda:
        "../envs/simulate.yaml"
    params:
        code=code("workflow/scripts/simulate_cohort.py", "resources/nuclei.tsv"),
        cfg=RUN.cfg["simulate"],
    script:
        "../scripts/simulate_cohort.py"


rule simulate_subject:
    output:
        images=planned_images(RUN.cfg["simulate"], RUN.paths),
        sidecars=planned_sidecars(RUN.cfg["simulate"], RUN.paths),
        chi=RUN.paths.truth_map("Chimap"),
        r2star=RUN.paths.truth_map("R2starmap"),
        t1=RUN.paths.truth_map("T1map"),
        total_field=RUN.paths.truth_map("desc-total_fieldmap"),
        local_field=RUN.paths.truth_map("desc-local_fieldmap"),
        brain_mask=RUN.paths.truth_map("desc-brain_mask"),
        nuclei=RUN.paths.truth_map("desc-nuclei_dseg"),
    log:
        RUN.paths.scan_log("simulate_subject"),
    benchmark:
        RUN.paths.scan_benchmark("simulate_subject")
    conda:
        "../envs/simulate.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/simulate_subject.py", "resources/nuclei.tsv"),
        cfg=INPUTS.smallest_cohort,
    script:
        "../scripts/simulate_subject.py"


rule simulate:
    input:
        rules.simulate_cohort.output,
        INPUTS.of_scans(rules.simulate_subject.output, RUN.scans if RUN.simulated else []),
    localrule: True
