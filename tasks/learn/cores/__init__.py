"""What several online learners share."""
