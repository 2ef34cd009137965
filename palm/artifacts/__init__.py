"""The files that flow between the steps of a build."""
