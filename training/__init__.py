"""Search, evaluation and plots: all that loads scikit-learn."""
