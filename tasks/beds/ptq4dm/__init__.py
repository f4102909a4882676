"""PTQ4DM's test bed: small noise predictors, calibrated on states of many kinds."""
