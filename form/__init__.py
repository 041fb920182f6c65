"""A web form for scoring rows entered by hand."""
