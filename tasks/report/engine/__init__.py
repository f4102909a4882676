"""What reads and judges the results of a study."""
