# Reconstruction: echoes → maps, one scan a job. Parameters: the config section of the rule's name.
from recon.background.stage import STAGE as LOCAL_FIELD
from recon.inversion.stage import STAGE as DIPOLE_INVERSION


rule prepare_echoes:
    input:
        images=of_series("series", "files"),
        sidecars=of_series("series", "sidecars"),
    output:
        magnitude_4d=P.work("part-mag_MEGRE.nii"),
        phase_4d=P.work("part-phase_MEGRE.nii"),
        acquisition=P.work("acquisition.json"),
    log:
        P.scan_log("prepare_echoes"),
    benchmark:
        P.scan_benchmark("prepare_echoes")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/prepare_echoes.py"),
        cfg=CFG["prepare_echoes"],
    script:
        "../scripts/prepare_echoes.py"


rule brain_mask:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        acquisition=rules.prepare_echoes.output.acquisition,
        user_mask=user_file("mask"),
    output:
        mask=P.map("desc-brain_mask.nii.gz"),
    log:
        P.scan_log("brain_mask"),
    benchmark:
        P.scan_benchmark("brain_mask")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/brain_mask.py"),
        cfg=CFG["brain_mask"],
        user=user_link("mask"),
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
        P.scan_log("unwrap_phase"),
    benchmark:
        P.scan_benchmark("unwrap_phase")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
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
        P.scan_log("field_mapping"),
    benchmark:
        P.scan_benchmark("field_mapping")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/field_mapping.py"),
        cfg=CFG["field_mapping"],
    script:
        "../scripts/field_mapping.py"


def needed(stage, name, file):
    """The file where the configured method of a stage reads an optional input of that name, else nothing."""
    return file if name in stage.needs(CFG[stage.section]) else []


rule local_field:
    input:
        field=rules.field_mapping.output.field,
        reliable=rules.unwrap_phase.output.reliable,
        magnitude=needed(LOCAL_FIELD, "magnitude", rules.prepare_echoes.output.magnitude_4d),
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        local=P.work("desc-local_fieldmap.nii"),
        eroded=P.work("desc-eroded_mask.nii"),
    log:
        P.scan_log("local_field"),
    benchmark:
        P.scan_benchmark("local_field")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
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
        P.scan_log("r2star_map"),
    benchmark:
        P.scan_benchmark("r2star_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/r2star_map.py"),
        cfg=CFG["r2star_map"],
    script:
        "../scripts/r2star_map.py"


R2STAR = rules.r2star_map.output.r2star if HAS_R2STAR else []  # a single echo has none


rule dipole_inversion:
    input:
        local=rules.local_field.output.local,
        eroded=rules.local_field.output.eroded,
        r2star=needed(DIPOLE_INVERSION, "r2star_hz", R2STAR),
        precision=needed(DIPOLE_INVERSION, "precision", rules.field_mapping.output.precision),
        magnitude=needed(DIPOLE_INVERSION, "magnitude", rules.prepare_echoes.output.magnitude_4d),
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        chi=P.work("desc-echoes_Chimap.nii"),
    log:
        P.scan_log("dipole_inversion"),
    benchmark:
        P.scan_benchmark("dipole_inversion")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
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
        P.scan_log("combine_echoes"),
    benchmark:
        P.scan_benchmark("combine_echoes")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/combine_echoes.py"),
        cfg=CFG["combine_echoes"],
    script:
        "../scripts/combine_echoes.py"


rule t1w_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        r2star=R2STAR,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
        user_t1w=user_file("t1w"),
    output:
        t1w=P.map("desc-stage_T1w.nii.gz"),
    log:
        P.scan_log("t1w_map"),
    benchmark:
        P.scan_benchmark("t1w_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/t1w_map.py"),
        cfg=CFG["t1w_map"],
        user=user_link("t1w"),
    script:
        "../scripts/t1w_map.py"


rule t1_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        low_flip=of_series("low_flip", "files"),
        sidecars=of_series("low_flip", "sidecars"),
        r2star=R2STAR,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        t1=P.map("T1map.nii.gz"),
        pd=P.map("PDmap.nii.gz"),
    log:
        P.scan_log("t1_map"),
    benchmark:
        P.scan_benchmark("t1_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
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
        r2star=R2STAR,
        user_nuclei=user_file("nuclei"),
    output:
        dseg=P.map("desc-nuclei_dseg.nii.gz"),
        box=P.map("label-BG_mask.nii.gz"),
        stats=P.map("desc-nuclei_stats.tsv"),
    log:
        P.scan_log("locate_nuclei"),
    benchmark:
        P.scan_benchmark("locate_nuclei")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/locate_nuclei.py", "resources/nuclei.tsv"),
        cfg=CFG["locate_nuclei"],
        user=user_link("nuclei"),
    script:
        "../scripts/locate_nuclei.py"


rule derivative_description:
    output:
        description=P.derivative("dataset_description.json"),
        beside=[P.derivative(name) for name in BESIDE],
    log:
        P.log("derivative_description"),
    benchmark:
        P.benchmark("derivative_description")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/derivative_description.py"),
        links=LINKS,
        simulated=SIMULATED,
    script:
        "../scripts/derivative_description.py"


rule subject_page:
    input:
        unpack(
            same_scan(
                magnitude=rules.prepare_echoes.output.magnitude_4d,
                phase=rules.prepare_echoes.output.phase_4d,
                unwrapped=rules.unwrap_phase.output.unwrapped,
                acquisition=rules.prepare_echoes.output.acquisition,
                mask=rules.brain_mask.output.mask,
                local_field=rules.local_field.output.local,
                chi=rules.combine_echoes.output.chi,
                r2star=R2STAR,
                t1w=rules.t1w_map.output.t1w,
                dseg=rules.locate_nuclei.output.dseg,
                box=rules.locate_nuclei.output.box,
                stats=rules.locate_nuclei.output.stats,
            )
        ),
    output:
        page=P.page(),
        warnings=P.page_warnings(),
        chi_picture=P.figure("{scan}_Chimap"),
        r2star_picture=P.figure("{scan}_R2starmap") if HAS_R2STAR else [],
        t1w_picture=P.figure("{scan}_T1w"),
    log:
        P.log("subject_page", "scan"),
    benchmark:
        P.benchmark("subject_page", "scan")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=memory_mb,
    params:
        code=code("workflow/scripts/subject_page.py", "workflow/report/base.html.j2", "workflow/report/subject.html.j2"),
        synthetic=SIMULATED,
    script:
        "../scripts/subject_page.py"


rule methods:
    input:
        acquisitions=of_scans(rules.prepare_echoes.output.acquisition, SCANS),
        maps=joined(
            of_scans([rules.brain_mask.output.mask, rules.t1w_map.output.t1w, rules.locate_nuclei.output.dseg], SCANS),
            of_scans(rules.t1_map.output.t1, TWO_FLIPS),
        ),
    output:
        methods=f"{P.root}/methods.md",
        bibliography=f"{P.root}/methods.bib",
    log:
        P.log("methods"),
    benchmark:
        P.benchmark("methods")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/methods.py", "workflow/report/methods.md.j2", "resources/references.tsv"),
        cfg=CFG,
        synthetic=SIMULATED,
    script:
        "../scripts/methods.py"


rule maps:
    input:
        rules.derivative_description.output,
        rules.methods.output,
        rules.run_record.output,
        of_scans(rules.brain_mask.output, SCANS),
        of_scans(R2STAR and rules.r2star_map.output, SCANS),
        of_scans(rules.t1w_map.output, SCANS),
        of_scans(rules.combine_echoes.output, SCANS),
        of_scans(rules.locate_nuclei.output, SCANS),
        of_scans(rules.t1_map.output, TWO_FLIPS),
        of_scans(rules.subject_page.output, SCANS),
    localrule: True
