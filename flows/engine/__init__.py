"""Running the stages of dvc.yaml: their graph, their order, their processes."""
