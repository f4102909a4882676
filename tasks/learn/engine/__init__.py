"""What runs online learners: worlds, replay buffer, loop."""
