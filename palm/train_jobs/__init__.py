"""TrainJobs of Kubeflow Trainer: what they ask of a cluster, and the cluster that is asked."""
