"""The engine: many boosted fits in one pass over the rows, exact to mboost's path."""
