"""Which stage reads what another one writes, written down a second time, and how many jobs a stage has."""

FEEDS = {  # rule: rules that read its outputs, in a run of target `all`
    "simulate_cohort": "folds evaluate study_table",
    "simulate_subject": "prepare_echoes map_accuracy",
    "prepare_echoes": "brain_mask unwrap_phase field_mapping local_field r2star_map dipole_inversion combine_echoes "
    "t1w_map locate_nuclei scan_statistics slice_stack subject_page methods model_card",
    "brain_mask": "unwrap_phase r2star_map t1w_map locate_nuclei scan_statistics slice_stack subject_page methods "
    "class_activation",
    "unwrap_phase": "field_mapping local_field subject_page",
    "field_mapping": "local_field",
    "local_field": "dipole_inversion combine_echoes map_accuracy subject_page",
    "r2star_map": "dipole_inversion t1w_map locate_nuclei scan_statistics slice_stack region_features "
    "map_accuracy subject_page",
    "dipole_inversion": "combine_echoes",
    "combine_echoes": "locate_nuclei scan_statistics slice_stack region_features map_accuracy subject_page",
    "t1w_map": "locate_nuclei scan_statistics slice_stack region_features subject_page methods",
    "locate_nuclei": "scan_statistics slice_stack region_features subject_page methods model_card class_activation",
    "scan_statistics": "study_table",
    "study_table": "run_record",
    "subject_page": "group_page report run_record",
    "viewer": "",
    "group_page": "",
    "map_accuracy": "report",
    "methods": "run_record",
    "derivative_description": "",
    "slice_stack": "train_image_model embed_slices predict_fold baselines augmentation_samples class_activation "
    "slice_importance model_card",
    "region_features": "baselines",
    "folds": "train_image_model embed_slices train_scan_model predict_fold baselines evaluate class_activation "
    "slice_importance model_card cohort_figures checklist report",
    "train_image_model": "embed_slices predict_fold class_activation model_card",
    "embed_slices": "train_scan_model predict_fold baselines model_card",
    "train_scan_model": "predict_fold model_card",
    "predict_fold": "variant_predictions evaluate slice_importance",
    "variant_predictions": "evaluate",
    "baselines": "evaluate report",
    "evaluate": "checklist model_card report",
    "augmentation_samples": "report",
    "class_activation": "report",
    "slice_importance": "report",
    "cohort_figures": "report",
    "checklist": "",
    "model_card": "",
    "report": "run_record",
    "run_record": "",
}
OF_A_SCAN = {
    *("simulate_subject", "prepare_echoes", "brain_mask", "unwrap_phase", "field_mapping", "local_field", "r2star_map"),
    *("dipole_inversion", "combine_echoes", "t1w_map", "locate_nuclei", "subject_page", "slice_stack"),
    *("region_features", "scan_statistics"),
}
OF_A_FOLD = {"train_image_model", "embed_slices", "train_scan_model", "predict_fold"}
OF_AN_INPUT = {"class_activation", "slice_importance"}
OF_THE_FIRST_SCAN = {"augmentation_samples"}
INPUTS, FOLDS = 2, 2
TRUTH = {"simulate_cohort", "simulate_subject", "map_accuracy"}  # only of simulated cohorts
ONLY_VARIANTS = {"variant_predictions"}  # only with variants


def after(*rules: str) -> set[str]:
    """Some rules and all that depend on them."""
    reached, waiting = set(), list(rules)
    while waiting:
        rule = waiting.pop()
        if rule not in reached:
            reached.add(rule)
            waiting += FEEDS[rule].split()
    return reached - ONLY_VARIANTS


def jobs(rules: set[str], scans: int) -> dict[str, int]:
    """{rule: number of jobs} where all jobs of each rule run."""
    numbers = dict.fromkeys(OF_A_SCAN, scans)
    numbers |= dict.fromkeys(OF_A_FOLD, INPUTS * FOLDS) | dict.fromkeys(OF_AN_INPUT, INPUTS)
    return {rule: numbers.get(rule, 1) for rule in rules}
