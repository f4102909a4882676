"""Online learners and what runs them."""
