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


TRUTH = {
    "chi": RUN.paths.truth_map("Chimap"),
    "r2star": RUN.paths.truth_map("R2starmap"),
    "t1": RUN.paths.truth_map("T1map"),
    "total_field": RUN.paths.truth_map("desc-total_fieldmap"),
    "local_field": RUN.paths.truth_map("desc-local_fieldmap"),
    "brain_mask": RUN.paths.truth_map("desc-brain_mask"),
    "nuclei": RUN.paths.truth_map("desc-nuclei_dseg"),
}
# Sites may differ in vendor, so that some scans come as magnitude and phase, some as real and imaginary part.
(PARTS, OF_PARTS), *OTHER_PARTS = planned_parts(RUN.cfg["simulate"]).items()


rule simulate_subject:
    output:
        **TRUTH,
        images=planned_images(RUN.cfg["simulate"], PARTS, RUN.paths),
        sidecars=planned_sidecars(RUN.cfg["simulate"], PARTS, RUN.paths),
    log:
        RUN.paths.scan_log("simulate_subject"),
    benchmark:
        RUN.paths.scan_benchmark("simulate_subject")
    wildcard_constraints:
        scan="|".join(OF_PARTS) if OTHER_PARTS else SCAN,
    conda:
        "../envs/simulate.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/simulate_subject.py", "resources/nuclei.tsv"),
        cfg=INPUTS.smallest_cohort,
    script:
        "../scripts/simulate_subject.py"


for PARTS, OF_PARTS in OTHER_PARTS:

    use rule simulate_subject as simulate_subject_in_other_parts with:
        output:
            **TRUTH,
            images=planned_images(RUN.cfg["simulate"], PARTS, RUN.paths),
            sidecars=planned_sidecars(RUN.cfg["simulate"], PARTS, RUN.paths),
        wildcard_constraints:
            scan="|".join(OF_PARTS),


rule simulate:
    input:
        rules.simulate_cohort.output,
        INPUTS.of_scans([*TRUTH.values()], RUN.scans if RUN.simulated else []),
        INPUTS.raw_files,
    localrule: True
