"""The bed of the claims ``deis`` and ``dc_solver``: mixtures of Gaussians."""
