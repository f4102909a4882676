"""What runs a method of making data: who acts, and the recording loop."""
