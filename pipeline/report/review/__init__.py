"""Review: serves galleries to a browser on this machine, and takes decisions back."""
