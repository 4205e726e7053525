"""Checklists of reporting: what a study can show by itself, and what a person must write."""
