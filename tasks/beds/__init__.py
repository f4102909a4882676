"""Beds: what a claim needs made that no study carries, one folder a claim."""
