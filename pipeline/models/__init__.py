"""What a model takes: its record → typed inputs, and values checked against them."""
