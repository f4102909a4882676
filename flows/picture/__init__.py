"""A picture of the graph: which groups of stages there are, where they stand, drawn."""
