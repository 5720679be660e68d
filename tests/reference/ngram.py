"""Count-based language models in dictionaries, a token at a time, written from the papers' formulas."""

from collections import Counter, defaultdict


def ngrams(texts, order, start):
    """The order-grams that end at a token of a text, as tuples; order − 1 start tokens come before each text."""
    for text in texts:
        padded = [start] * (order - 1) + list(text)
        for end in range(order, len(padded) + 1):
            yield tuple(padded[end - order : end])


class Laplace:
    """Dive into Deep Learning, section "Language Models"."""

    def __init__(self, texts, order, epsilons, vocabulary_size, start):
        self.order, self.epsilons, self.m = order, epsilons, vocabulary_size
        self.words = Counter(word for text in texts for word in text)
        self.sequences = Counter(ngrams(texts, order, start))

    def __call__(self, word, context):
        n = sum(self.words.values())
        alone = (self.words[word] + self.epsilons[0] / self.m) / (n + self.epsilons[0])
        if self.order == 1:
            return alone
        n_context = sum(count for sequence, count in self.sequences.items() if sequence[:-1] == tuple(context))
        return (self.sequences[*context, word] + self.epsilons[1] * alone) / (n_context + self.epsilons[1])


class ModifiedKneserNey:
    """Chen and Goodman (1999), section 4.1.6, with the unigrams interpolated with the uniform distribution."""

    def __init__(self, texts, order, vocabulary_size, start, fallback=(0.5, 1.0, 1.5)):
        self.order, self.vocabulary_size = order, vocabulary_size
        counts = Counter(ngrams(texts, order, start))
        self.levels = []
        for _ in range(order):
            self.levels.insert(0, (counts, self.discounts_of(counts, fallback)))
            left = defaultdict(set)
            for sequence in counts:
                left[sequence[1:]].add(sequence[0])
            counts = Counter({sequence: len(words) for sequence, words in left.items()})

    @staticmethod
    def discounts_of(counts, fallback):
        n1, n2, n3, n4 = (sum(1 for count in counts.values() if count == i) for i in (1, 2, 3, 4))
        if not (n1 and n2 and n3 and n4):
            return fallback
        y = n1 / (n1 + 2 * n2)
        discounts = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        return discounts if all(0 <= d <= i for i, d in enumerate(discounts, 1)) else fallback

    def __call__(self, word, context):
        return self.probability(word, tuple(context[len(context) - self.order + 1 :]))

    def probability(self, word, context):
        counts, discounts = self.levels[len(context)]
        lower = self.probability(word, context[1:]) if context else 1 / self.vocabulary_size
        following = [count for sequence, count in counts.items() if sequence[:-1] == context]
        if not following:
            return lower
        n1, n2 = following.count(1), following.count(2)
        n3 = len(following) - n1 - n2
        gamma = (discounts[0] * n1 + discounts[1] * n2 + discounts[2] * n3) / sum(following)
        count = counts[*context, word]
        discount = discounts[min(count, 3) - 1] if count else 0
        return (count - discount) / sum(following) + gamma * lower
