"""Statistics: intervals and verdicts, the one home of both."""
