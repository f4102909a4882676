"""What several learners share: one core a family of methods."""
