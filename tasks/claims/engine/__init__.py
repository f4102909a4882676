"""What reads a study for a claim, and the page of all claims."""
