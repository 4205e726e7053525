"""Late fusion: calibrated risks of two or more models joined by call, and what the join finds."""
