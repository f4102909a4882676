"""What trains behaviour policies: the online loop, and the choice of checkpoints."""
