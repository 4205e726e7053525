"""Studies of ordered grades or of a number: their stages, from cohort to report."""
