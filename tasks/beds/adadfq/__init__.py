"""The bed of the claim ``adadfq``: more arms of the game between two networks."""
