"""What runs the jobs of any bed."""
