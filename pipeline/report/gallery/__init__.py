"""The gallery: one page that shows every item of a manifest, from disk or served."""
