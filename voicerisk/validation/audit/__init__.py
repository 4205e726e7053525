"""The leakage audit: the ladder, permutations, controls, plausibility, and what they mean."""
