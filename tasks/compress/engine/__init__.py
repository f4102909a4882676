"""What measures the compressors' results."""
