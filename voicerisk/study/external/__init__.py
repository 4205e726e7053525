"""External validation: a saved model on the calls of another study."""
