"""KFP pipelines, compiled to the YAML files beside them."""
