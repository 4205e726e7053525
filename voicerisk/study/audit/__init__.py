"""The audit of a whole study: fits, ladder, checks, summary."""
