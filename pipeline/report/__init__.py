"""Reports: what people and CI read about a manifest and its files. Pure rendering."""
