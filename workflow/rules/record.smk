# What the results were made from. Nothing depends on it.


rule run_record:
    input:
        made_last,
    output:
        record=f"{P.root}/run.json",
    log:
        P.log("run_record"),
    benchmark:
        P.benchmark("run_record")
    localrule: True
    conda:
        "../envs/qnet.yaml"
    params:
        code=code("workflow/scripts/run_record.py"),
        made_from=made_from,
    script:
        "../scripts/run_record.py"
