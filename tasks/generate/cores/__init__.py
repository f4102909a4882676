"""What several methods of making data share."""
