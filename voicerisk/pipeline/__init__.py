"""One engine for every study: stages that are kept, the results folder, progress, the cluster."""
