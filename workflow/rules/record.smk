# What the results were made from. Nothing depends on it.


rule run_record:
    input:
        made_last(INPUTS, workflow, rules),
    output:
        record=f"{RUN.paths.root}/run.json",
    log:
        RUN.paths.log("run_record"),
    benchmark:
        RUN.paths.benchmark("run_record")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/run_record.py"),
        made_from=made_from(RUN, workflow),
    script:
        "../scripts/run_record.py"
