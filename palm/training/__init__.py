"""Training a policy on its scalarised objective, and nothing else."""
