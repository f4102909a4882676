"""What turns a policy into files."""
