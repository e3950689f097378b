"""Data: one file per kind of source, and the pipeline that feeds the step."""
