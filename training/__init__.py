"""Search, evaluate and register candidates; everything here loads scikit-learn."""
