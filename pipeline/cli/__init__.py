"""The edge: alone reads argv and the environment, alone prints."""
