"""What models are for, one file a task: drawing, points in the plane, translation, reconstruction, classification."""
