"""What several beds share."""
