"""The models that a study hands out: saved as they were validated, and scoring new calls."""
