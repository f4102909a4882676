"""What plays the files of a variant."""
