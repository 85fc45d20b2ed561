"""Generated stories with questions, and their exact entropy floor"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import mean
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mobilellm_lab.model import generate
from mobilellm_lab.tasks import Batch, Evaluation
from mobilellm_lab.tasks.randomness import integers, split_seed
from mobilellm_lab.token_ids import check_tokens

DOT, ASK, WHERE, IS, THE, TO = range(6)  # ids of the words that hold sentences together
FUNCTION_WORDS = (".", "?", "where", "is", "the", "to")
MOVES, TAKES = ("goes", "walks", "runs", "hurries"), ("takes", "grabs", "lifts")
DROPS, JOINS = ("drops", "leaves"), ("joins", "visits")
VERBS = MOVES + TAKES + DROPS + JOINS
PEOPLE = ("mary", "john", "anna", "omar", "lucy", "david", "nina", "peter")
ROOMS = ("kitchen", "garden", "hall", "office", "cellar", "attic", "library", "garage")
OBJECTS = ("ball", "key", "book", "lamp", "cup", "coin", "hat", "rope")

# One row per kind of sentence: a word, or FIRST, SECOND, THIRD choice, or the ANSWER; ends at its ".".
FIRST, SECOND, THIRD, ANSWER = -1, -2, -3, -4
MOVE, TAKE, DROP, JOIN, ASK_PERSON, ASK_OBJECT = range(6)
TEMPLATES = np.array(
    [
        [FIRST, SECOND, TO, THE, THIRD, DOT, DOT],  # mary goes to the kitchen .
        [FIRST, SECOND, THE, THIRD, DOT, DOT, DOT],  # mary takes the ball .
        [FIRST, SECOND, THE, THIRD, DOT, DOT, DOT],  # mary drops the ball .
        [FIRST, SECOND, THIRD, DOT, DOT, DOT, DOT],  # mary joins john .
        [FIRST, IS, SECOND, ASK, ANSWER, DOT, DOT],  # where is mary ? kitchen .
        [FIRST, IS, SECOND, THIRD, ASK, ANSWER, DOT],  # where is the ball ? kitchen .
    ]
)
LENGTHS = np.array([6, 5, 5, 4, 6, 7])
ANSWER_OFFSET = np.array([0, 0, 0, 0, 4, 5])  # 0 where nothing is asked
SECOND_OFFSET = np.array([1, 2])  # in a statement, in a question
THIRD_OFFSET = np.array([4, 3, 3, 2, 0, 3])
BLOCK = 512  # stories made together: the cost of NumPy's calls is shared
HOP_NAMES = ("one-hop", "two-hop", "three-hop")  # the last one holds longer chains, too


class _Block(NamedTuple):
    tokens: Int[np.ndarray, "N L"]
    hops: Int[np.ndarray, "N L"]  # facts that lead to the answer at this position; 0 where there is no answer
    weights: Int[np.ndarray, "N L V"] | None  # integer weight of every word at this position, given all before it


@dataclass(frozen=True, kw_only=True)
class Stories:
    """A generated world of people, rooms and objects; its questions need one fact or a chain of them.

    A story is a run of sentences. Each word is drawn with the integer weights below, which depend on the words before
    it and on nothing else: a person or object has no place until a sentence gives it one.

    - A sentence starts with a person (5 each) or with "where" (2 for each person and object that has a place).
    - A person who is somewhere: goes, walks, runs or hurries (3 each) "to the" room next door, where the rooms form a
      ring in the order of the vocabulary; takes, grabs or lifts (4 each) "the" object that lies in the same room or
      was not mentioned yet; drops or leaves (2 each) "the" object at hand; joins or visits (2 each) a person in
      another room, and is then there. What is impossible has weight 0. A person who is nowhere yet can go "to the"
      room of any name, or join. The rooms, objects and people to choose from have weight 1.
    - "where is" asks about a person who is somewhere (1 each) or "the" (2 for each known object) object (4 where it is
      carried and not in the room where it was taken, else 1: otherwise that room would be a good guess). The answer
      is a room.

    The hops of an answer are the sentences that it takes to find it: "mary goes to the kitchen" is one; that mary took
    the ball and then went to the kitchen are two; joining or dropping adds one to the hops of the person.
    Word number t of story number i is chosen by draw t of sequence i.

    Source: the form is bAbI's (arXiv 1502.05698); the generator and its exact entropy are ours.
    """

    people: int = 4  # names in the story, 2 .. 8
    rooms: int = 6  # 2 .. 8
    objects: int = 4  # things that can be carried, 1 .. 8
    seq_len: int = 96  # words that the model reads; at least 32, so that chains of facts fit
    name: str = "stories"
    headline: str = "two-hop"

    def __post_init__(self) -> None:
        for field, low, names in (("people", 2, PEOPLE), ("rooms", 2, ROOMS), ("objects", 1, OBJECTS)):
            if not low <= getattr(self, field) <= len(names):
                raise ValueError(f"{field}={getattr(self, field)}: choose {low} to {len(names)}")
        if self.seq_len < 32:
            raise ValueError(f"seq_len={self.seq_len}: too short for a chain of facts, choose at least 32")

    @property
    def vocabulary(self) -> list[str]:
        """The words by id: function words, verbs, people, rooms, objects."""
        names = PEOPLE[: self.people] + ROOMS[: self.rooms] + OBJECTS[: self.objects]
        return list(FUNCTION_WORDS + VERBS + names)

    @property
    def vocab_size(self) -> int:
        return len(FUNCTION_WORDS + VERBS) + self.people + self.rooms + self.objects

    def decode(self, tokens: Int[Tensor, " T"]) -> str:
        """The words of `tokens`, separated by spaces. Raises a ValueError for what is no id."""
        check_tokens(tokens, self.vocab_size, axes="T")
        words = self.vocabulary
        return " ".join(words[i] for i in tokens.tolist())

    def _stories(self, index: int, batch_size: int, split: str, seed: int, T: int, *, weights: bool) -> _Block:
        """The first T + 1 words of stories index * batch_size and following, cut out of cached blocks."""
        length = 1 + max(T, self.seq_len)  # a curriculum that shortens its stories finds them in the same block
        first, last = index * batch_size, (index + 1) * batch_size  # in the split
        parts = []
        for number in range(first // BLOCK, (last - 1) // BLOCK + 1):
            block, start = _block(self, length, split_seed(seed, split), number, weights=weights), number * BLOCK
            rows = slice(max(first - start, 0), last - start)
            parts.append([None if array is None else array[rows, : T + 1] for array in block])
        return _Block(*(None if arrays[0] is None else np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def batch(self, index: int, batch_size: int, *, split="train", seed=0, seq_len: int | None = None) -> Batch:
        """Stories from their start, and the next word at every position."""
        T = self.seq_len if seq_len is None else seq_len
        if batch_size < 1 or T < 1:
            raise ValueError(f"batch_size={batch_size}, seq_len={T}: both must be at least 1")
        tokens = torch.from_numpy(
            self._stories(index, batch_size, split, seed, T, weights=False).tokens.astype(np.int64)
        )
        return Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())

    def probabilities(
        self, index: int, batch_size: int, *, split: str = "validation", seed: int = 0
    ) -> Float[Tensor, "B T V"]:
        """True distribution of the next word at every position of `batch` with the same arguments, in float64."""
        weights = self._stories(index, batch_size, split, seed, self.seq_len, weights=True).weights[:, 1:]
        return torch.from_numpy(weights / weights.sum(-1, keepdims=True))

    @torch.inference_mode()
    def evaluate(
        self, model, *, split="validation", batches: int = 4, batch_size: int = 64, drawn: bool = True
    ) -> Iterator[Evaluation]:
        """Cross-entropy against the true distribution, its floor, and accuracy of the answers by number of hops.

        The targets are the probabilities, not one sample of them: no model can be below the floor, not even by luck.
        """
        if batches < 1 or batch_size < 1:
            raise ValueError(f"batches={batches}, batch_size={batch_size}: an evaluation needs at least 1 story")
        device, losses, floors = model.embed.weight.device, [], []
        right, asked = np.zeros(len(HOP_NAMES)), np.zeros(len(HOP_NAMES))
        for i in range(batches):
            story = self._stories(i, batch_size, split, 0, self.seq_len, weights=True)
            tokens = torch.from_numpy(story.tokens.astype(np.int64))
            p = self.probabilities(i, batch_size, split=split)  # (B, T, V)
            logits = model(tokens[:, :-1].to(device)).double().cpu()  # (B, T, V)
            losses.append(-(p * logits.log_softmax(-1)).sum(-1).mean().item())
            floors.append(torch.special.entr(p).sum(-1).mean().item())
            likeliest = logits.argmax(-1)
            correct = (likeliest == tokens[:, 1:]).numpy()
            hops = np.minimum(story.hops[:, 1:], len(HOP_NAMES))
            for h in range(len(HOP_NAMES)):
                asked[h] += (hops == h + 1).sum()
                right[h] += correct[hops == h + 1].sum()
            if i == batches - 1 and not asked[1]:
                raise ValueError(
                    f"batches={batches}, batch_size={batch_size}: no two-hop question among them, take more"
                )
            yield Evaluation(
                loss_nats=mean(losses),
                losses=tuple(losses),
                floor_nats=mean(floors),
                scores={name: float(right[h] / asked[h]) for h, name in enumerate(HOP_NAMES) if asked[h]},
                likeliest=likeliest,
            )

    @torch.inference_mode()
    def show(self, model) -> str:
        """A held-out story with the model's answers marked, then the model's own next words after its first half."""
        story = self._stories(0, 1, "validation", 0, self.seq_len, weights=False)
        tokens, hops = torch.from_numpy(story.tokens[0].astype(np.int64)), story.hops[0]
        device, words = model.embed.weight.device, self.vocabulary
        said = model(tokens[None, :-1].to(device))[0].argmax(-1).tolist()
        lines = [""]
        for t, token in enumerate(tokens.tolist()):
            if hops[t]:
                verdict = "right" if said[t - 1] == token else f"wrong: {words[token]}"
                lines[-1] += f"{words[said[t - 1]]}  [{HOP_NAMES[min(hops[t], len(HOP_NAMES)) - 1]}, {verdict}] "
            elif token == DOT:
                lines[-1] += "."
                lines.append("")
            else:
                lines[-1] += words[token] + " "
        ends = np.flatnonzero(story.tokens[0, : self.seq_len // 2] == DOT)  # of the sentences in the first half
        prompt = tokens[None, : ends[-1] + 1].to(device)
        own = torch.stack(list(generate(model, prompt, min(24, self.seq_len - prompt.shape[1]))), 1)[0]
        return "\n".join([*lines, f"[after its first {len(ends)} sentences, the model goes on]", self.decode(own)])


def _choose(weights: Int[np.ndarray, "N V"], seed: int, sequence: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """One word id per row, with probability weight / total (as even as a 32-bit hash allows)."""
    running = weights.cumsum(1)
    return (running <= integers(running[:, -1], seed, sequence, draw)[:, None]).sum(1)


@lru_cache(maxsize=4)  # the training block, the validation block, and their neighbours
def _block(task: Stories, length: int, seed: int, number: int, *, weights: bool) -> _Block:
    """The first `length` words of stories number * BLOCK and following, one sentence of each at a time."""
    P, R, V, n = task.people, task.rooms, task.vocab_size, np.arange(BLOCK)
    verbs = len(FUNCTION_WORDS)
    person0 = verbs + len(VERBS)
    room0, object0 = person0 + P, person0 + P + R
    columns = {"people": slice(person0, room0), "rooms": slice(room0, object0), "objects": slice(object0, V)}
    kind_of = np.full(V, ASK_PERSON)  # the second choice tells the kind of the sentence
    kind_of[verbs:person0] = [k for k, words in enumerate((MOVES, TAKES, DROPS, JOINS)) for _ in words]
    kind_of[THE] = ASK_OBJECT
    verb_kind = kind_of[verbs:person0]

    # The world. -1 is "nowhere" or "nobody".
    where = np.full((BLOCK, P), -1)  # room of each person
    holder = np.full((BLOCK, task.objects), -1)  # person who has the object
    lies = np.full((BLOCK, task.objects), -1)  # room where it lies
    taken_in = np.full((BLOCK, task.objects), -1)  # room where it was last taken
    person_hops = np.zeros((BLOCK, P), int)
    object_hops = np.zeros((BLOCK, task.objects), int)  # of objects that lie somewhere

    sequence, cursor = number * BLOCK + n, np.zeros(BLOCK, int)
    longest, offsets = TEMPLATES.shape[1], np.arange(TEMPLATES.shape[1])
    tokens = np.zeros((BLOCK, length + longest), np.int16)
    hops = np.zeros((BLOCK, length + longest), np.int8)
    shares = np.zeros((BLOCK, length + longest, V), np.int16) if weights else None
    while (cursor < length).any():
        cursor = np.minimum(cursor, length)  # a finished story writes behind its end
        somewhere, known = where >= 0, (holder >= 0) | (lies >= 0)

        w1 = np.zeros((BLOCK, V), np.int16)
        w1[:, columns["people"]] = 5
        w1[:, WHERE] = 2 * (somewhere.sum(1) + known.sum(1))
        first = _choose(w1, seed, sequence, cursor)
        asks = first == WHERE
        person = np.where(asks, 0, first - person0)
        here = where[n, person]
        takeable = (~known | (lies == here[:, None])) & (here >= 0)[:, None]
        held = holder == person[:, None]
        elsewhere = somewhere & (where != here[:, None])

        possible = np.stack([np.ones(BLOCK, bool), takeable.any(1), held.any(1), elsewhere.any(1)], 1)
        w2 = np.zeros((BLOCK, V), np.int16)
        w2[:, verbs:person0] = (possible * np.array([3, 4, 2, 2]))[:, verb_kind] * ~asks[:, None]
        w2[:, columns["people"]] = somewhere & asks[:, None]
        w2[:, THE] = 2 * known.sum(1) * asks
        second = _choose(w2, seed, sequence, cursor + SECOND_OFFSET[asks.astype(int)])
        kind = kind_of[second]

        is_kind = kind[:, None, None] == np.arange(6)[:, None]  # (N, 6, 1)
        w3 = np.zeros((BLOCK, V), np.int16)
        step = (np.arange(R) - here[:, None]) % R
        next_door = (here < 0)[:, None] | (step == 1) | (step == R - 1)
        w3[:, columns["rooms"]] = is_kind[:, MOVE] & next_door
        w3[:, columns["objects"]] = is_kind[:, TAKE] & takeable | is_kind[:, DROP] & held
        moved = (holder >= 0) & (np.take_along_axis(where, holder, 1) != taken_in)
        w3[:, columns["objects"]] += (is_kind[:, ASK_OBJECT] & known) * np.where(moved, 4, 1).astype(np.int16)
        w3[:, columns["people"]] = is_kind[:, JOIN] & elsewhere
        w3[:, DOT] = kind == ASK_PERSON  # nothing is left to choose
        third = _choose(w3, seed, sequence, cursor + THIRD_OFFSET[kind])

        # What is asked about, and its room.
        asked = np.where(kind == ASK_PERSON, second - person0, 0)
        thing = np.where((kind == TAKE) | (kind == DROP) | (kind == ASK_OBJECT), third - object0, 0)
        carrier = holder[n, thing]
        by_person, carried = kind == ASK_PERSON, carrier >= 0
        answer = room0 + np.where(by_person, where[n, asked], np.where(carried, where[n, carrier], lies[n, thing]))
        chain = np.where(carried, 1 + person_hops[n, carrier], object_hops[n, thing])
        chain = np.where(by_person, person_hops[n, asked], chain)

        slots = np.stack([answer, third, second, first], 1)  # template -1 is the last of them, -4 the first
        template = TEMPLATES[kind]
        words = np.where(template >= 0, template, np.take_along_axis(slots, template % 4, 1))  # (N, 7)
        at = cursor[:, None] + offsets
        tokens[n[:, None], at] = words
        hops[n[:, None], at] = np.where(template == ANSWER, chain[:, None], 0)
        if weights:
            certain = words[:, :, None] == np.arange(V)  # (N, 7, V)
            for slot, w in ((FIRST, w1), (SECOND, w2), (THIRD, w3)):
                certain = np.where((template == slot)[:, :, None], w[:, None], certain)
            shares[n[:, None], at] = certain

        # What the sentence changes.
        i = np.flatnonzero(kind == MOVE)
        where[i, person[i]], person_hops[i, person[i]] = third[i] - room0, 1
        i = np.flatnonzero(kind == JOIN)
        friend = third[i] - person0
        where[i, person[i]], person_hops[i, person[i]] = where[i, friend], 1 + person_hops[i, friend]
        i = np.flatnonzero(kind == TAKE)
        holder[i, thing[i]], lies[i, thing[i]], taken_in[i, thing[i]] = person[i], -1, here[i]
        i = np.flatnonzero(kind == DROP)
        holder[i, thing[i]], lies[i, thing[i]] = -1, here[i]
        object_hops[i, thing[i]] = 1 + person_hops[i, person[i]]
        cursor = cursor + LENGTHS[kind]
    return _Block(tokens[:, :length], hops[:, :length], None if shares is None else shares[:, :length])
