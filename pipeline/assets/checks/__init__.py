"""Whether a file that arrived is whole, and how large its picture is; by media type."""
