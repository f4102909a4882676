"""What runs the methods of this room."""
