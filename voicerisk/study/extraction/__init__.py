"""Recordings, or a table of markers of one's own, become frames and segments."""
