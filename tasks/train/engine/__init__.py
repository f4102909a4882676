"""What runs a learner: batches, the loop, checkpoints, processes."""
