"""Texts over all categories of Unicode, for the tests of what splits them."""

import random
import unicodedata

CODE_POINTS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def _texts():
    chance, by_category = random.Random(0), {}
    for character in CODE_POINTS:
        by_category.setdefault(unicodedata.category(character), []).append(character)
    pools = [*by_category.values(), list("ab .,'\n"), list("é，、。؟،\u00a0\u3000\u200b"), ["👩\u200d👩", "e\u0301", "☃️", "👍🏽", "🇩🇪", "𝔘", "𠀀"]]
    mixed = ["".join(chance.choice(chance.choice(pools)) for _ in range(chance.randrange(30))) for _ in range(300)]
    # Each character of each category once, between letters; the long ones of letters and unassigned in part.
    whole = ["a" + "b".join(chance.sample(pool, min(len(pool), 3000))) + "c" for pool in by_category.values()]
    return ["", *mixed, *whole]


TEXTS = _texts()
