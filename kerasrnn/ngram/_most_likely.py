"""The most likely continuation of a length, by dynamic programming over the contexts that a model tells apart.

A state is the longest end of the text so far that the trie holds, of at most order − 1 tokens: nothing before it makes
a difference to any later token. From a state s a token w is predicted at the longest end c of s for which the trie
holds (c, w), and the states between s and c cost the product of their rests. If the trie holds (c, w), it holds
(c′, w) for each shorter end c′. So for any w that s does not hold, no state that falls back on s holds it either,
and one number per state, the best of itself and of what falls back on it, stands for them all: a step costs as
much as there are sequences in the trie, not states times tokens, and leaves out no path.
"""

import numpy as np

from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._trie import Trie


def search(
    model: Interpolation, context: np.ndarray, length: int, forbidden: list[int]
) -> tuple[np.ndarray, float]:
    """The token ids (length,) of the most likely continuation of a context of order − 1, and its log-probability."""
    arcs = _Arcs(model, forbidden)
    scores = [np.full(size, -np.inf) for size in arcs.sizes]
    depth = max(place for place, found in enumerate(_ends(model.trie, context)) if found >= 0)
    if model.rest_of_unseen or depth == len(context):
        scores[depth][_ends(model.trie, context)[depth]] = 0.0
    steps = []
    for _ in range(length):
        scores, sources, tokens = arcs.advance(scores)
        steps.append((sources, tokens))
    last = np.concatenate(scores)
    state = int(last.argmax())
    if last[state] == -np.inf:
        raise ValueError(
            "prompt must end in tokens that the model knows a continuation of, but no continuation of "
            f"{length} tokens is possible. Use another prompt, or a model that smooths its counts."
        )
    result = np.zeros(length, "int64")
    for place in reversed(range(length)):
        sources, tokens = steps[place]
        result[place], state = tokens[state], sources[state]
    return result, float(last.max())


def _ends(trie: Trie, context: np.ndarray) -> list[int]:
    """For each length, the id of the context's end of that length, or −1."""
    return [0, *(int(found[-1]) for found in trie.find_all(context)[1:-1])] if len(context) else [0]


class _Arcs:
    """Every step from a state to the next that the trie holds, by the length of the sequence (c, w)."""

    def __init__(self, model: Interpolation, forbidden: list[int]) -> None:
        trie = self.trie = model.trie
        self.rest_of_unseen = model.rest_of_unseen
        self.sizes = [trie.size(length) for length in range(trie.order)]
        self.offsets = np.cumsum([0, *self.sizes])
        lengths = range(1, trie.order + 1)
        with np.errstate(divide="ignore"):
            self.log_probabilities = [np.zeros(1), *map(np.log, model.of_sequences()[1:])]
            self.log_rests = [np.zeros(1), *(np.log(model.rests[length]) for length in lengths)]
        self.tokens = [np.zeros(1, "int64"), *(trie.last_tokens(length) for length in lengths)]
        # The longest sequences are one token longer than any state: the next state lacks their first one.
        self.next_states = [
            self.offsets[length] + np.arange(trie.size(length))
            if length < trie.order
            else self.offsets[length - 1] + trie.suffixes[length]
            for length in range(trie.order + 1)
        ]
        for length in lengths:
            self.log_probabilities[length][np.isin(self.tokens[length], forbidden)] = -np.inf

    def advance(self, scores: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """The best score of each state a token later, and from which state and by which token it is reached."""
        trie, order = self.trie, self.trie.order
        best = [score.copy() for score in scores]
        origins = [self.offsets[k] + np.arange(size) for k, size in enumerate(self.sizes)]
        reached = np.full(self.offsets[-1], -np.inf)
        sources = np.zeros(len(reached), "int32")
        tokens = np.zeros(len(reached), "int32")
        for length in range(order, 0, -1):
            contexts = trie.prefixes(length)
            values = scores[length - 1][contexts]
            places = self.offsets[length - 1] + contexts
            if length < order:  # There are states as long as these sequences, which fall back on states one shorter.
                fallen = best[length] + self.log_rests[length + 1]
                self._fall_back(length, fallen, origins[length], values, places)
                np.maximum.at(best[length - 1], trie.suffixes[length], fallen)
                better = (fallen == best[length - 1][trie.suffixes[length]]) & (
                    fallen > scores[length - 1][trie.suffixes[length]]
                )
                origins[length - 1][trie.suffixes[length][better]] = origins[length][better]
            values = values + self.log_probabilities[length]
            into = self.next_states[length]
            before = reached.copy()
            np.maximum.at(reached, into, values)
            won = (values == reached[into]) & (values > before[into])
            sources[into[won]] = places[won]
            tokens[into[won]] = self.tokens[length][won]
        split = np.split(reached, self.offsets[1:-1])
        if not self.rest_of_unseen:  # Then a text that the longest contexts do not hold is a dead end.
            split[:-1] = [np.full(len(part), -np.inf) for part in split[:-1]]
        return split, sources, tokens

    def _fall_back(
        self, length: int, fallen: np.ndarray, origins: np.ndarray, values: np.ndarray, places: np.ndarray
    ) -> None:
        """Raises the values of the arcs (c, w) to that of the best state which falls back on c and does not hold w.

        It looks through those states from the best one on. Each that it passes holds w: all in all there are no more of
        them than sequences in the trie.
        """
        trie = self.trie
        # The states in the order of what they fall back on, the best first.
        ranking = np.lexsort((-fallen, trie.suffixes[length]))
        ranking_suffixes = trie.suffixes[length][ranking]
        contexts = trie.prefixes(length)
        rank = np.searchsorted(ranking_suffixes, contexts)
        end = np.searchsorted(ranking_suffixes, contexts, side="right")
        active = np.flatnonzero(rank < end)
        while len(active):
            states = ranking[rank[active]]
            improves = fallen[states] > values[active]
            active, states = active[improves], states[improves]
            free = trie.find(length + 1, states, self.tokens[length][active]) < 0
            values[active[free]] = fallen[states[free]]
            places[active[free]] = origins[states[free]]
            active = active[~free]
            rank[active] += 1
            active = active[rank[active] < end[active]]
