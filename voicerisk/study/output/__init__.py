"""What leaves a study: metrics, figures, publication tables, reporting evidence."""
