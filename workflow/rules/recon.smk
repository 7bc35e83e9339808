# Reconstruction: echoes → maps, one subject a job. Parameters: the config section of the rule's name.


rule prepare_echoes:
    input:
        magnitude=scan("magnitude"),
        phase=scan("phase"),
        sidecars=scan("sidecars"),
    output:
        magnitude_4d=P.work("part-mag_MEGRE.nii"),
        phase_4d=P.work("part-phase_MEGRE.nii"),
        acquisition=P.work("acquisition.json"),
    log:
        P.log("prepare_echoes", "subject"),
    benchmark:
        P.benchmark("prepare_echoes", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/prepare_echoes.py"),
        cfg=CFG["prepare_echoes"],
    script:
        "../scripts/prepare_echoes.py"


rule brain_mask:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        mask=P.map("desc-brain_mask.nii.gz"),
    log:
        P.log("brain_mask", "subject"),
    benchmark:
        P.benchmark("brain_mask", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/brain_mask.py"),
        cfg=CFG["brain_mask"],
    script:
        "../scripts/brain_mask.py"


rule unwrap_phase:
    input:
        phase=rules.prepare_echoes.output.phase_4d,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        unwrapped=P.work("part-phase_desc-unwrapped_MEGRE.nii"),
        reliable=P.work("desc-reliable_mask.nii"),
    log:
        P.log("unwrap_phase", "subject"),
    benchmark:
        P.benchmark("unwrap_phase", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/unwrap_phase.py"),
        cfg=CFG["unwrap_phase"],
    script:
        "../scripts/unwrap_phase.py"


rule field_mapping:
    input:
        unwrapped=rules.unwrap_phase.output.unwrapped,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        reliable=rules.unwrap_phase.output.reliable,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        field=P.work("desc-total_fieldmap.nii"),
        precision=P.work("desc-precision_fieldmap.nii"),
    log:
        P.log("field_mapping", "subject"),
    benchmark:
        P.benchmark("field_mapping", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/field_mapping.py"),
        cfg=CFG["field_mapping"],
    script:
        "../scripts/field_mapping.py"


rule local_field:
    input:
        field=rules.field_mapping.output.field,
        reliable=rules.unwrap_phase.output.reliable,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        local=P.work("desc-local_fieldmap.nii"),
        eroded=P.work("desc-eroded_mask.nii"),
    log:
        P.log("local_field", "subject"),
    benchmark:
        P.benchmark("local_field", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/local_field.py"),
        cfg=CFG["local_field"],
    script:
        "../scripts/local_field.py"


rule r2star_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        r2star=P.map("R2starmap.nii.gz"),
        misfit=P.map("desc-misfit_R2starmap.nii.gz"),
    log:
        P.log("r2star_map", "subject"),
    benchmark:
        P.benchmark("r2star_map", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/r2star_map.py"),
        cfg=CFG["r2star_map"],
    script:
        "../scripts/r2star_map.py"


rule dipole_inversion:
    input:
        local=rules.local_field.output.local,
        eroded=rules.local_field.output.eroded,
        r2star=rules.r2star_map.output.r2star,
        precision=rules.field_mapping.output.precision,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        chi=P.work("desc-echoes_Chimap.nii"),
    log:
        P.log("dipole_inversion", "subject"),
    benchmark:
        P.benchmark("dipole_inversion", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/dipole_inversion.py"),
        cfg=CFG["dipole_inversion"],
    script:
        "../scripts/dipole_inversion.py"


rule combine_echoes:
    input:
        chi_echoes=rules.dipole_inversion.output.chi,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        eroded=rules.local_field.output.eroded,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        chi=P.map("Chimap.nii.gz"),
        echo_chi=expand(P.map("desc-echo{echo}_Chimap.nii.gz"), echo=ECHOES, allow_missing=True),
    log:
        P.log("combine_echoes", "subject"),
    benchmark:
        P.benchmark("combine_echoes", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/combine_echoes.py"),
        cfg=CFG["combine_echoes"],
    script:
        "../scripts/combine_echoes.py"


rule t1w_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        r2star=rules.r2star_map.output.r2star,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        t1w=P.map("desc-stage_T1w.nii.gz"),
    log:
        P.log("t1w_map", "subject"),
    benchmark:
        P.benchmark("t1w_map", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/t1w_map.py"),
        cfg=CFG["t1w_map"],
    script:
        "../scripts/t1w_map.py"


rule t1_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        low_flip=scan("low_flip"),
        sidecars=scan("sidecars"),
        r2star=rules.r2star_map.output.r2star,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        t1=P.map("T1map.nii.gz"),
        pd=P.map("PDmap.nii.gz"),
    log:
        P.log("t1_map", "subject"),
    benchmark:
        P.benchmark("t1_map", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/t1_map.py"),
    script:
        "../scripts/t1_map.py"


rule locate_nuclei:
    input:
        *BOXES,
        t1w=rules.t1w_map.output.t1w,
        mask=rules.brain_mask.output.mask,
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
    output:
        dseg=P.map("desc-nuclei_dseg.nii.gz"),
        box=P.map("label-BG_mask.nii.gz"),
        stats=P.map("desc-nuclei_stats.tsv"),
    log:
        P.log("locate_nuclei", "subject"),
    benchmark:
        P.benchmark("locate_nuclei", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/locate_nuclei.py", "resources/nuclei.tsv"),
        cfg=CFG["locate_nuclei"],
    script:
        "../scripts/locate_nuclei.py"


rule derivative_description:
    output:
        description=P.derivative("dataset_description.json"),
    log:
        P.log("derivative_description"),
    benchmark:
        P.benchmark("derivative_description")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/derivative_description.py"),
        raw=RAW_LINK,
        simulated=SIMULATED,
    script:
        "../scripts/derivative_description.py"


rule subject_page:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        phase=rules.prepare_echoes.output.phase_4d,
        unwrapped=rules.unwrap_phase.output.unwrapped,
        acquisition=rules.prepare_echoes.output.acquisition,
        mask=rules.brain_mask.output.mask,
        local_field=rules.local_field.output.local,
        chi=rules.combine_echoes.output.chi,
        r2star=rules.r2star_map.output.r2star,
        t1w=rules.t1w_map.output.t1w,
        dseg=rules.locate_nuclei.output.dseg,
        box=rules.locate_nuclei.output.box,
        stats=rules.locate_nuclei.output.stats,
    output:
        page=f"{P.root}/sub-{{subject}}.html",
        chi_picture=P.figure("sub-{subject}_Chimap"),
        r2star_picture=P.figure("sub-{subject}_R2starmap"),
        t1w_picture=P.figure("sub-{subject}_T1w"),
    log:
        P.log("subject_page", "subject"),
    benchmark:
        P.benchmark("subject_page", "subject")
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/subject_page.py", "workflow/report/base.html.j2", "workflow/report/subject.html.j2"),
        synthetic=SIMULATED,
    script:
        "../scripts/subject_page.py"


rule maps:
    input:
        rules.derivative_description.output,
        expand(rules.combine_echoes.output.chi, subject=SUBJECTS),
        expand(rules.locate_nuclei.output, subject=SUBJECTS),
        expand(rules.t1_map.output, subject=TWO_FLIPS),
        expand(rules.subject_page.output, subject=SUBJECTS),
    localrule: True
