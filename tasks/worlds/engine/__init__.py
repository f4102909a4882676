"""What plays a world."""
