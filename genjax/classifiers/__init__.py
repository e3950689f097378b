"""The networks that get explained, each as head after features."""
