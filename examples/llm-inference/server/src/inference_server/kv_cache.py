"""The memory that bounds a batch: blocks of tokens on the GPU."""

from __future__ import annotations

BLOCK_TOKENS = 16


class KvCache:
    """A sequence gets the blocks for all it may become when it starts, so that none is preempted halfway."""

    def __init__(self, tokens: int) -> None:
        self.blocks = tokens // BLOCK_TOKENS
        self.used = 0

    @staticmethod
    def blocks_for(tokens: int) -> int:
        return -(-tokens // BLOCK_TOKENS)

    def ever_fits(self, tokens: int) -> bool:
        return self.blocks_for(tokens) <= self.blocks

    def take(self, tokens: int) -> bool:
        """Whether there was room; then it is taken."""
        blocks = self.blocks_for(tokens)
        if self.used + blocks > self.blocks:
            return False
        self.used += blocks
        return True

    def give_back(self, tokens: int) -> None:
        self.used -= self.blocks_for(tokens)

    @property
    def usage(self) -> float:
        """From 0 to 1."""
        return self.used / self.blocks if self.blocks else 1.0
