"""One script per question; each prints a table of ratios measured in one run."""
