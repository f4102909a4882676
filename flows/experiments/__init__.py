"""Another study beside the user's files, and the DVC experiment it becomes."""
