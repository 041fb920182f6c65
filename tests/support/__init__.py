"""What tests share: starting scripts and servers, stores that were trained once, and databases."""
