"""Callers, the unit of everything: tables by caller, sexes, folds, draws, weights, random streams."""
