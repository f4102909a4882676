"""Reading and writing what passes between stages."""
