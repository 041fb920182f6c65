"""A page where people try a problem's models by hand: one row, or several that compete."""
