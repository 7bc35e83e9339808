# Reconstruction: echoes → maps, one scan a job. Parameters: the config section of the rule's name.


rule prepare_echoes:
    input:
        images=INPUTS.of_series("series", "files"),
        sidecars=INPUTS.of_series("series", "sidecars"),
    output:
        magnitude_4d=RUN.paths.work("part-mag_MEGRE.nii"),
        phase_4d=RUN.paths.work("part-phase_MEGRE.nii"),
        acquisition=RUN.paths.work("acquisition.json"),
    log:
        RUN.paths.scan_log("prepare_echoes"),
    benchmark:
        RUN.paths.scan_benchmark("prepare_echoes")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/prepare_echoes.py"),
        check=f"{RUN.paths.root}/check/{{scan}}.json",
        cfg=RUN.cfg["prepare_echoes"],
    script:
        "../scripts/prepare_echoes.py"


rule brain_mask:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        acquisition=rules.prepare_echoes.output.acquisition,
        user_mask=INPUTS.user_file("mask"),
    output:
        mask=RUN.paths.map("desc-brain_mask.nii.gz"),
    log:
        RUN.paths.scan_log("brain_mask"),
    benchmark:
        RUN.paths.scan_benchmark("brain_mask")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/brain_mask.py"),
        cfg=RUN.cfg["brain_mask"],
        user=INPUTS.user_link("mask"),
    script:
        "../scripts/brain_mask.py"


rule unwrap_phase:
    input:
        phase=rules.prepare_echoes.output.phase_4d,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        unwrapped=RUN.paths.work("part-phase_desc-unwrapped_MEGRE.nii"),
        reliable=RUN.paths.work("desc-reliable_mask.nii"),
        singular=RUN.paths.work("desc-singular_mask.nii"),
    log:
        RUN.paths.scan_log("unwrap_phase"),
    benchmark:
        RUN.paths.scan_benchmark("unwrap_phase")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/unwrap_phase.py"),
        cfg=RUN.cfg["unwrap_phase"],
    script:
        "../scripts/unwrap_phase.py"


rule field_mapping:
    input:
        unwrapped=rules.unwrap_phase.output.unwrapped,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        reliable=rules.unwrap_phase.output.reliable,
        singular=rules.unwrap_phase.output.singular,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        field=RUN.paths.work("desc-total_fieldmap.nii"),
        precision=RUN.paths.work("desc-precision_fieldmap.nii"),
    log:
        RUN.paths.scan_log("field_mapping"),
    benchmark:
        RUN.paths.scan_benchmark("field_mapping")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/field_mapping.py"),
        cfg=RUN.cfg["field_mapping"],
    script:
        "../scripts/field_mapping.py"


rule local_field:
    input:
        field=rules.field_mapping.output.field,
        reliable=rules.unwrap_phase.output.reliable,
        magnitude=INPUTS.needed("local_field", "magnitude", rules.prepare_echoes.output.magnitude_4d),
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        local=RUN.paths.work("desc-local_fieldmap.nii"),
        eroded=RUN.paths.work("desc-eroded_mask.nii"),
    log:
        RUN.paths.scan_log("local_field"),
    benchmark:
        RUN.paths.scan_benchmark("local_field")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/local_field.py"),
        cfg=RUN.cfg["local_field"],
    script:
        "../scripts/local_field.py"


rule r2star_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        r2star=RUN.paths.map("R2starmap.nii.gz"),
        misfit=RUN.paths.map("desc-misfit_R2starmap.nii.gz"),
        t2star=RUN.paths.map("T2starmap.nii.gz") if RUN.cfg["r2star_map"]["t2star_and_s0"] else [],
        s0=RUN.paths.map("S0map.nii.gz") if RUN.cfg["r2star_map"]["t2star_and_s0"] else [],
    log:
        RUN.paths.scan_log("r2star_map"),
    benchmark:
        RUN.paths.scan_benchmark("r2star_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/r2star_map.py"),
        cfg=RUN.cfg["r2star_map"],
    script:
        "../scripts/r2star_map.py"


R2STAR = rules.r2star_map.output.r2star if RUN.has_r2star else []  # a single echo has none
MISFIT = rules.r2star_map.output.misfit if RUN.has_r2star else []
T2STAR = rules.r2star_map.output.t2star if RUN.has_r2star else []
S0 = rules.r2star_map.output.s0 if RUN.has_r2star else []


rule dipole_inversion:
    input:
        local=rules.local_field.output.local,
        eroded=rules.local_field.output.eroded,
        r2star=INPUTS.needed("dipole_inversion", "r2star_hz", R2STAR),
        precision=INPUTS.needed("dipole_inversion", "precision", rules.field_mapping.output.precision),
        magnitude=INPUTS.needed("dipole_inversion", "magnitude", rules.prepare_echoes.output.magnitude_4d),
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        chi=RUN.paths.work("desc-echoes_Chimap.nii"),
    log:
        RUN.paths.scan_log("dipole_inversion"),
    benchmark:
        RUN.paths.scan_benchmark("dipole_inversion")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/dipole_inversion.py"),
        cfg=RUN.cfg["dipole_inversion"],
    script:
        "../scripts/dipole_inversion.py"


rule t1w_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        r2star=R2STAR,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
        user_t1w=INPUTS.user_file("t1w"),
    output:
        t1w=RUN.paths.map("desc-stage_T1w.nii.gz"),
    log:
        RUN.paths.scan_log("t1w_map"),
    benchmark:
        RUN.paths.scan_benchmark("t1w_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/t1w_map.py"),
        cfg=RUN.cfg["t1w_map"],
        user=INPUTS.user_link("t1w"),
    script:
        "../scripts/t1w_map.py"


rule swi_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        phase=rules.prepare_echoes.output.phase_4d,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        swi=RUN.paths.map("swi.nii.gz"),
        min_ip=RUN.paths.map("minIP.nii.gz"),
    log:
        RUN.paths.scan_log("swi_map"),
    benchmark:
        RUN.paths.scan_benchmark("swi_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/swi_map.py"),
        cfg=RUN.cfg["swi_map"],
    script:
        "../scripts/swi_map.py"


SWI = rules.swi_map.output if RUN.cfg["swi_map"]["make"] else None
REFERENCE = RUN.cfg["combine_echoes"]["reference"]


rule reference_region:
    input:
        mask=rules.brain_mask.output.mask,
        eroded=rules.local_field.output.eroded,
        r2star=R2STAR if REFERENCE == "csf" or RUN.reference_reads_chi else [],
        magnitude=rules.prepare_echoes.output.magnitude_4d if REFERENCE == "csf" or RUN.reference_reads_chi else [],
        chi_echoes=rules.dipole_inversion.output.chi if RUN.reference_reads_chi else [],
        t1w=[] if REFERENCE == "csf" else rules.t1w_map.output.t1w,
        user_nuclei=INPUTS.user_file("nuclei"),
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        region=RUN.paths.map("label-reference_mask.nii.gz"),
    log:
        RUN.paths.scan_log("reference_region"),
    benchmark:
        RUN.paths.scan_benchmark("reference_region")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code(
            "workflow/scripts/reference_region.py",
            "resources/nuclei.tsv",
            "resources/nuclei_shapes.tsv",
            "resources/segmentation.json",
        ),
        name=REFERENCE,
        method=RUN.cfg["locate_nuclei"]["method"],
        average={name: RUN.cfg["combine_echoes"][name] for name in ("first_echo", "last_echo", "power")},
        user=INPUTS.user_link("nuclei"),
    script:
        "../scripts/reference_region.py"


REGION = rules.reference_region.output.region if RUN.has_reference_region else []


rule combine_echoes:
    input:
        chi_echoes=rules.dipole_inversion.output.chi,
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        eroded=rules.local_field.output.eroded,
        region=REGION,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        chi=RUN.paths.map("Chimap.nii.gz"),
        echo_chi=expand(RUN.paths.map("desc-echo{echo}_Chimap.nii.gz"), echo=RUN.chi_echoes, allow_missing=True),
    log:
        RUN.paths.scan_log("combine_echoes"),
    benchmark:
        RUN.paths.scan_benchmark("combine_echoes")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/combine_echoes.py"),
        cfg=RUN.cfg["combine_echoes"],
        inversion=RUN.cfg["dipole_inversion"],
    script:
        "../scripts/combine_echoes.py"


rule t1_map:
    input:
        magnitude=rules.prepare_echoes.output.magnitude_4d,
        low_flip=INPUTS.of_series("low_flip", "files"),
        sidecars=INPUTS.of_series("low_flip", "sidecars"),
        b1=INPUTS.user_file("b1"),
        r2star=R2STAR,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
    output:
        t1=RUN.paths.map("T1map.nii.gz"),
        pd=RUN.paths.map("PDmap.nii.gz"),
    log:
        RUN.paths.scan_log("t1_map"),
    benchmark:
        RUN.paths.scan_benchmark("t1_map")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/t1_map.py"),
        user=INPUTS.user_link("b1"),
    script:
        "../scripts/t1_map.py"


GROUP_MAPS = RUN.cfg["group_maps"]["make"] and RUN.has_nuclei  # they need the registration


rule locate_nuclei:
    input:
        *RUN.boxes,
        t1w=rules.t1w_map.output.t1w,
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
        chi=rules.combine_echoes.output.chi,
        r2star=R2STAR,
        t2star=T2STAR,
        s0=S0,
        region=REGION,
        user_nuclei=INPUTS.user_file("nuclei"),
    output:
        dseg=RUN.paths.map("desc-nuclei_dseg.nii.gz"),
        white=RUN.paths.map("label-WM_mask.nii.gz"),
        box=RUN.paths.map("label-BG_mask.nii.gz"),
        stats=RUN.paths.map("desc-nuclei_stats.tsv"),
        displacement=RUN.paths.work("displacement.nii.gz") if GROUP_MAPS else [],
    log:
        RUN.paths.scan_log("locate_nuclei"),
    benchmark:
        RUN.paths.scan_benchmark("locate_nuclei")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code(
            "workflow/scripts/locate_nuclei.py",
            "resources/nuclei.tsv",
            "resources/nuclei_shapes.tsv",
            "resources/segmentation.json",
        ),
        cfg=RUN.cfg["locate_nuclei"],
        user=INPUTS.user_link("nuclei"),
    script:
        "../scripts/locate_nuclei.py"


NUCLEI = rules.locate_nuclei.output if RUN.has_nuclei else None  # None where there are none to locate


rule template_maps:
    input:
        dseg=rules.locate_nuclei.output.dseg,
        displacement=rules.locate_nuclei.output.displacement,
        chi=rules.combine_echoes.output.chi,
        r2star=R2STAR,
    output:
        chi_map=RUN.paths.map("space-MNI152NLin2009aSym_res-2_Chimap.nii.gz"),
        r2star_map=RUN.paths.map("space-MNI152NLin2009aSym_res-2_R2starmap.nii.gz") if RUN.has_r2star else [],
    log:
        RUN.paths.scan_log("template_maps"),
    benchmark:
        RUN.paths.scan_benchmark("template_maps")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/template_maps.py"),
    script:
        "../scripts/template_maps.py"


rule scan_statistics:
    input:
        mask=rules.brain_mask.output.mask,
        acquisition=rules.prepare_echoes.output.acquisition,
        chi=rules.combine_echoes.output.chi,
        echo_chi=rules.combine_echoes.output.echo_chi,
        r2star=R2STAR,
        t2star=T2STAR,
        s0=S0,
        t1w=rules.t1w_map.output.t1w,
        t1=INPUTS.of_two_flips(rules.t1_map.output.t1),
        pd=INPUTS.of_two_flips(rules.t1_map.output.pd),
        dseg=NUCLEI.dseg if NUCLEI else [],
        white=NUCLEI.white if NUCLEI else [],
        own_files=INPUTS.own_regions,
    output:
        statistics=RUN.paths.map("desc-regions_stats.tsv"),
    log:
        RUN.paths.scan_log("scan_statistics"),
    benchmark:
        RUN.paths.scan_benchmark("scan_statistics")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code("workflow/scripts/scan_statistics.py", "resources/nuclei.tsv"),
        own=INPUTS.own_region_files,
        echoes=RUN.chi_echoes,
        reference=REFERENCE,
    script:
        "../scripts/scan_statistics.py"


rule study_table:
    input:
        statistics=INPUTS.of_scans(rules.scan_statistics.output.statistics, RUN.scans),
        participants=RUN.known_participants,
    output:
        long=RUN.paths.derivative("desc-nuclei_stats.tsv"),
        long_dictionary=RUN.paths.derivative("desc-nuclei_stats.json"),
        wide=RUN.paths.derivative("desc-nucleiWide_stats.tsv"),
        wide_dictionary=RUN.paths.derivative("desc-nucleiWide_stats.json"),
    log:
        RUN.paths.log("study_table"),
    benchmark:
        RUN.paths.benchmark("study_table")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/study_table.py"),
        columns=RUN.cfg["participants"],
        norms={name: RUN.cfg["model_card"][name] for name in ("age_slope_sd", "age_curvature_sd", "spread_slope_sd")},
        diagnosed=list(RUN.diagnosed.values()),
    script:
        "../scripts/study_table.py"


rule derivative_description:
    output:
        description=RUN.paths.derivative("dataset_description.json"),
        beside=[RUN.paths.derivative(name) for name in BESIDE],
    log:
        RUN.paths.log("derivative_description"),
    benchmark:
        RUN.paths.benchmark("derivative_description")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/derivative_description.py"),
        links=RUN.links,
        simulated=RUN.simulated,
        licence=RUN.licence,
        nuclei=RUN.cfg["locate_nuclei"]["method"],
        drawn=any(scan.nuclei for scan in RUN.scans.values()),
    script:
        "../scripts/derivative_description.py"


rule subject_page:
    input:
        unpack(
            INPUTS.same_scan(
                magnitude=rules.prepare_echoes.output.magnitude_4d,
                phase=rules.prepare_echoes.output.phase_4d,
                unwrapped=rules.unwrap_phase.output.unwrapped,
                reliable=rules.unwrap_phase.output.reliable,
                singular=rules.unwrap_phase.output.singular,
                acquisition=rules.prepare_echoes.output.acquisition,
                mask=rules.brain_mask.output.mask,
                local_field=rules.local_field.output.local,
                chi=rules.combine_echoes.output.chi,
                r2star=R2STAR,
                misfit=MISFIT,
                t2star=T2STAR,
                s0=S0,
                swi=SWI.swi if SWI else [],
                min_ip=SWI.min_ip if SWI else [],
                region=REGION,
                t1w=rules.t1w_map.output.t1w,
                dseg=NUCLEI.dseg if NUCLEI else [],
                box=NUCLEI.box if NUCLEI else [],
                stats=NUCLEI.stats if NUCLEI else [],
            )
        ),
    output:
        page=RUN.paths.page(),
        warnings=RUN.paths.page_warnings(),
        images=RUN.paths.viewer(),
        chi_picture=RUN.paths.figure("{scan}_Chimap"),
        r2star_picture=RUN.paths.figure("{scan}_R2starmap") if RUN.has_r2star else [],
        t1w_picture=RUN.paths.figure("{scan}_T1w"),
    log:
        RUN.paths.log("subject_page", "scan"),
    benchmark:
        RUN.paths.benchmark("subject_page", "scan")
    conda:
        "../envs/recon.yaml"
    resources:
        mem_mb=INPUTS.memory_mb,
    params:
        code=code(
            "workflow/scripts/subject_page.py",
            "resources/nuclei.tsv",
            "workflow/report/base.html.j2",
            "workflow/report/subject.html.j2",
            "workflow/report/viewer.js",
        ),
        synthetic=RUN.simulated,
        maximum_hz=RUN.cfg["r2star_map"]["maximum_hz"],
        age_years=INPUTS.age,
    script:
        "../scripts/subject_page.py"


rule viewer:
    output:
        program=RUN.paths.viewer("niivue.js"),
        licence=RUN.paths.viewer("LICENSE"),
    log:
        RUN.paths.log("viewer"),
    benchmark:
        RUN.paths.benchmark("viewer")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/viewer.py", "resources/viewer/niivue.js", "resources/viewer/LICENSE"),
    script:
        "../scripts/viewer.py"


rule group_page:
    input:
        facts=INPUTS.of_scans(rules.subject_page.output.warnings, RUN.scans),
    output:
        page=f"{RUN.paths.root}/group.html",
        table=f"{RUN.paths.root}/group.tsv",
        dictionary=f"{RUN.paths.root}/group.json",
    log:
        RUN.paths.log("group_page"),
    benchmark:
        RUN.paths.benchmark("group_page")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code(
            "workflow/scripts/group_page.py",
            "workflow/report/base.html.j2",
            "workflow/report/group.html.j2",
            "workflow/report/group.js",
        ),
        dataset=RUN.cfg["dataset"],
        synthetic=RUN.simulated,
        ratings=RUN.study.ratings,
    script:
        "../scripts/group_page.py"


onsuccess:
    WATCH.succeeded(partial(INPUTS.files_of, RUN.paths.page_warnings(), RUN.scans))


rule methods:
    input:
        acquisitions=INPUTS.of_scans(rules.prepare_echoes.output.acquisition, RUN.scans),
        maps=joined(
            INPUTS.of_scans(
                [rules.brain_mask.output.mask, rules.t1w_map.output.t1w, *([NUCLEI.dseg] if NUCLEI else [])], RUN.scans
            ),
            INPUTS.of_scans(rules.t1_map.output.t1, RUN.two_flips),
            INPUTS.of_scans(REGION and rules.combine_echoes.output.chi, RUN.scans),
        ),
    output:
        methods=f"{RUN.paths.root}/methods.md",
        bibliography=f"{RUN.paths.root}/methods.bib",
    log:
        RUN.paths.log("methods"),
    benchmark:
        RUN.paths.benchmark("methods")
    localrule: True
    conda:
        "../envs/recon.yaml"
    params:
        code=code("workflow/scripts/methods.py", "workflow/report/methods.md.j2", "resources/references.tsv"),
        cfg=RUN.cfg,
        several_sites=lambda wildcards: RUN.several_sites,
        synthetic=RUN.simulated,
    script:
        "../scripts/methods.py"


rule maps:
    input:
        rules.derivative_description.output,
        rules.methods.output,
        rules.run_record.output,
        INPUTS.of_scans(rules.brain_mask.output, RUN.scans),
        INPUTS.of_scans(R2STAR and rules.r2star_map.output, RUN.scans),
        INPUTS.of_scans(rules.t1w_map.output, RUN.scans),
        INPUTS.of_scans(rules.combine_echoes.output, RUN.scans),
        INPUTS.of_scans(SWI or [], RUN.scans),
        INPUTS.of_scans(REGION, RUN.scans),
        INPUTS.of_scans(NUCLEI or [], RUN.scans),
        INPUTS.of_scans(rules.template_maps.output if GROUP_MAPS else [], RUN.scans),
        INPUTS.of_scans(rules.t1_map.output, RUN.two_flips),
        INPUTS.of_scans(rules.scan_statistics.output, RUN.scans),
        rules.study_table.output,
        INPUTS.of_scans(rules.subject_page.output, RUN.scans),
        rules.viewer.output,
        rules.group_page.output,
    localrule: True
