"""Small real files of every kind, made without a codec library."""
