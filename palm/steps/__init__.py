"""The steps of a build: files in, files out, one module a step.

Paths are named by what they hold: `base_model` is the folder of prepare_base_model, `rollouts` of sample_reference and
`plan` of plan_training; `policies` and `evaluations` are the folders of train_policy and evaluate_policies, one for
each policy; `design`, `selection`, `registration` and `verdict` are the JSON files of design_grid, select_portfolio,
register_portfolio and promote_portfolio. `destination`, `page` and `summary` are written. Every step raises a
`PalmError` if an input is unusable, or the storage or MLflow fails.
"""
