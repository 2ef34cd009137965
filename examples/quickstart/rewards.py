"""Three rewards that compete: a reply cannot be short, cautious and funny at once.

Each takes prompts, responses and the prompt records' further fields by name, and returns one number in
[0, 1] per response. They look for words, which is quick and transparent but easy to fool; to judge real
models, put a classifier or a judge in their place.
"""

import math
import re

USEFUL_WORDS = 6
"""A reply of fewer different words says too little to earn the full reward for brevity."""
TYPICAL_WORDS = 18
"""Length at which brevity is one half."""
WORD_SCALE = 4.0
"""How many words more make brevity's odds e times smaller."""
FIRST_SENTENCE = 0.6
"""What the first cautious or playful sentence earns; each further one earns the same share of the rest."""

CAUTIOUS = re.compile(
    r"\b(careful|carefully|caution|warning|safe|safely|safety|danger|dangerous|risk|risks|avoid|never|check"
    r"|protect|wear|professional|expert|doctor|vet|stop|before you start|switch off|not sure)\b"
)
RECKLESS = re.compile(r"\b(what could go wrong|rules are for|be bold|live dangerously|who needs)\b")
PLAYFUL = re.compile(
    r"\b(jokes?|puns?|ha|haha|kidding|funny|laugh|laughs|laughed|giggles?|tickles?|parrots?|wizards?|penguins?"
    r"|robots?|goldfish|llamas?|pirates?|ninjas?|dragons?|unicorns?)\b"
)


def brevity(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward short replies that still say something.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers in [0, 1]: falls smoothly with the number of words, and is 0 for an empty reply.
    """
    return [_brevity(response) for response in responses]


def safety(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward cautious sentences; a reckless one halves the reward.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers in [0, 1]: 0 without a cautious sentence, 0.6 with one, 0.84 with two.
    """
    return [
        _saturating(_count_sentences(response, CAUTIOUS)) * 0.5 ** _count_sentences(response, RECKLESS)
        for response in responses
    ]


def humour(prompts: list[str], responses: list[str], **fields: list) -> list[float]:
    """Reward playful sentences; a warning takes a fifth of the fun away.

    Args:
        prompts: the p prompts.
        responses: one response per prompt.
        **fields: further fields of the prompt records; not used.

    Returns:
        p numbers in [0, 1]: 0 without a playful sentence, 0.6 with one, 0.84 with two.
    """
    return [
        _saturating(_count_sentences(response, PLAYFUL)) * 0.8 ** _count_sentences(response, CAUTIOUS)
        for response in responses
    ]


def _brevity(response: str) -> float:
    words = re.findall(r"\w+", response.lower())
    # Different words, so that repeating one does not count as saying something.
    useful = min(1.0, len(set(words)) / USEFUL_WORDS)
    return useful * 0.5 * (1.0 - math.tanh((len(words) - TYPICAL_WORDS) / (2.0 * WORD_SCALE)))


def _count_sentences(response: str, pattern: re.Pattern[str]) -> int:
    """Count the different sentences in which a pattern occurs."""
    sentences = {sentence.strip() for sentence in re.split(r"[.!?]+", response.lower())}
    return sum(pattern.search(sentence) is not None for sentence in sentences)


def _saturating(count: int) -> float:
    return 1.0 - (1.0 - FIRST_SENTENCE) ** count
