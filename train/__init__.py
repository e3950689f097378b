"""One runnable recipe per model: python -m train.vae."""
