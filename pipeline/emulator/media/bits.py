"""Writes numbers bit by bit, the most significant bit first."""


class BitWriter:
    """Collects bits."""

    def __init__(self) -> None:
        self._bits = ""

    def put(self, value: int, width: int) -> None:
        """Add an unsigned number in this many bits, at least one."""
        self._bits += f"{value:0{width}b}"

    def put_golomb(self, value: int) -> None:
        """Add an unsigned number as an Exp-Golomb code (ITU-T H.264, 9.1)."""
        code = value + 1
        self.put(code, 2 * code.bit_length() - 1)

    def put_text(self, bits: str) -> None:
        """Add bits that are written as zeros and ones."""
        self._bits += bits

    def to_bytes(self) -> bytes:
        """Everything so far, at least one bit. The last byte is filled with zeros."""
        filled = self._bits + "0" * (-len(self._bits) % 8)
        return int(filled, 2).to_bytes(len(filled) // 8, "big")
