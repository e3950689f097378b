"""One runnable program per question: python -m eval.saliency."""
