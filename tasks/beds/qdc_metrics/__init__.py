"""The bed of the claim ``qdc_metrics``: nine datasets of one archive, a learner."""
