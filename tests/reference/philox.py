"""Philox4x32-10 (Salmon et al., SC 2011) and Cohort's use of it, from docs/reproducibility.md."""

SHUFFLE = 3
_MASK = 0xFFFFFFFF


def block(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _MASK,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    return [c0, c1, c2, c3]


class Stream:
    """32-bit numbers from the stream that the six parts of a key name."""

    def __init__(self, seed, learner, round, step, purpose, index=0):
        name = [learner, round, step, purpose << 16 | index]
        mixed = block(name, [seed & _MASK, seed >> 32])
        self.key, self.high, self.low = mixed[:2], mixed[2:], 0
        self.words = []

    def next(self):
        if not self.words:
            counter = [self.low & _MASK, self.low >> 32] + self.high
            self.words = block(counter, self.key)
            self.low += 1
        return self.words.pop(0)

    def below(self, n):
        """Uniform in [0, n): Lemire 2019."""
        threshold = (1 << 32) % n
        while True:
            product = self.next() * n
            if product & _MASK >= threshold:
                return product >> 32

    def shuffled(self, n):
        """Fisher and Yates, from the last item down."""
        items = list(range(n))
        for i in range(n, 1, -1):
            j = self.below(i)
            items[i - 1], items[j] = items[j], items[i - 1]
        return items


# The paper's own vectors (Random123's kat_vectors).
assert block([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert block([_MASK] * 4, [_MASK] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
