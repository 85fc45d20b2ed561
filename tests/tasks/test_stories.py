"""Stories against a slow reading of the same rules from the text alone, and their floor against models."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import evaluate, make
from mobilellm_lab.tasks.stories import BLOCK, Stories

MOVES, TAKES = ["goes", "walks", "runs", "hurries"], ["takes", "grabs", "lifts"]
DROPS, JOINS = ["drops", "leaves"], ["joins", "visits"]


class Reader:
    """Reads a story word by word and says what may come next: weights by word, written from the rules' text alone."""

    def __init__(self, people, rooms, objects):
        self.people, self.rooms, self.objects = people, rooms, objects
        self.sentence = []  # words since the last "."
        self.place = {}  # person: (room, hops)
        self.thing = {}  # object: ("held", person) or ("lies", room, hops)
        self.origin = {}  # object: room where it was taken

    def find(self, name):
        """(room, hops) of a person or object."""
        if name in self.place:
            return self.place[name]
        how, *rest = self.thing[name]
        if how == "lies":
            return tuple(rest)
        room, hops = self.place[rest[0]]
        return room, hops + 1

    def takeable(self, person):
        room = self.place[person][0]
        return [o for o in self.objects if o not in self.thing or self.thing[o][:2] == ("lies", room)]

    def held(self, person):
        return [o for o in self.objects if self.thing.get(o) == ("held", person)]

    def elsewhere(self, person):
        here = self.place.get(person, (None,))[0]
        return [q for q in self.place if self.place[q][0] != here]

    def weights(self):
        s = self.sentence
        if not s:
            known = len(self.place) + len(self.thing)
            return {p: 5 for p in self.people} | ({"where": 2 * known} if known else {})
        if s[0] == "where":
            return self.question(s)
        who = s[0]
        if len(s) == 1:
            options = {v: 3 for v in MOVES}
            if who in self.place and self.takeable(who):
                options |= {v: 4 for v in TAKES}
            if self.held(who):
                options |= {v: 2 for v in DROPS}
            if self.elsewhere(who):
                options |= {v: 2 for v in JOINS}
            return options
        if s[1] in MOVES:
            doors = self.rooms
            if who in self.place:
                at = self.rooms.index(self.place[who][0])
                doors = {self.rooms[at - 1], self.rooms[(at + 1) % len(self.rooms)]}
            options = [["to"], ["the"], doors, ["."]][len(s) - 2]
        elif s[1] in JOINS:
            options = [self.elsewhere(who), ["."]][len(s) - 2]
        else:
            options = [["the"], self.takeable(who) if s[1] in TAKES else self.held(who), ["."]][len(s) - 2]
        return dict.fromkeys(options, 1)

    def question(self, s):
        if len(s) == 1:
            return {"is": 1}
        if len(s) == 2:
            return dict.fromkeys(self.place, 1) | ({"the": 2 * len(self.thing)} if self.thing else {})
        if s[-1] == "the":
            far = [o for o, t in self.thing.items() if t[0] == "held" and self.place[t[1]][0] != self.origin[o]]
            return {o: 4 if o in far else 1 for o in self.thing}
        if "?" not in s:
            return {"?": 1}
        return {self.find(s[-2])[0]: 1} if s[-1] == "?" else {".": 1}

    def read(self, word):
        self.sentence.append(word)
        if word != ".":
            return
        who, what, *rest = self.sentence
        if what in MOVES:
            self.place[who] = (rest[2], 1)
        elif what in JOINS:
            room, hops = self.place[rest[0]]
            self.place[who] = (room, hops + 1)
        elif what in TAKES:
            self.thing[rest[1]] = ("held", who)
            self.origin[rest[1]] = self.place[who][0]
        elif what in DROPS:
            room, hops = self.place[who]
            self.thing[rest[1]] = ("lies", room, hops + 1)
        self.sentence = []


def reader(task):
    names = task.vocabulary[17:]
    people, rooms = names[: task.people], names[task.people : task.people + task.rooms]
    return Reader(people, rooms, names[task.people + task.rooms :])


def read_stories(task, count):
    """For each story, at every position: the word, the weights of the words that could be there, the answer's hops."""
    batch = task.batch(0, count, split="validation")
    for row in torch.cat((batch.tokens, batch.targets[:, -1:]), 1):
        r, steps = reader(task), []
        for word in task.decode(row).split():
            hops = r.find(r.sentence[-2])[1] if r.sentence[-1:] == ["?"] else 0
            steps.append((word, r.weights(), hops))
            r.read(word)
        yield steps


class Oracle:
    """A model that knows the truth of the first validation batch, plus whatever `wrong` adds to its logits."""

    def __init__(self, task, batch_size, wrong=0.0):
        self.embed = SimpleNamespace(weight=torch.zeros(1))
        self.p = {
            tuple(row.tolist()): p.log().clamp_min(-1e4)
            for row, p in zip(
                task.batch(0, batch_size, split="validation").tokens, task.probabilities(0, batch_size), strict=True
            )
        }
        self.wrong = wrong

    def __call__(self, tokens):
        return torch.stack([self.p[tuple(row.tolist())] for row in tokens]) + self.wrong


@pytest.mark.parametrize(
    "options", [{}, {"people": 2, "rooms": 2, "objects": 1}, {"people": 8, "rooms": 8, "objects": 8}]
)
def test_probabilities_are_those_of_an_independent_reader_of_the_text(options):
    task, count = Stories(**options), 200
    index = {word: i for i, word in enumerate(task.vocabulary)}
    p = task.probabilities(0, count).numpy()
    for b, steps in enumerate(read_stories(task, count)):
        for t, (_, weights, _) in enumerate(steps[1:]):
            total = sum(weights.values())
            expected = np.zeros(task.vocab_size)
            for word, weight in weights.items():
                expected[index[word]] = Fraction(weight, total)
            np.testing.assert_array_equal(p[b, t], expected, err_msg=str(steps[: t + 1]))


def test_probabilities_sum_to_one_and_allow_what_was_drawn():
    task = Stories()
    p = task.probabilities(0, 128)
    targets = task.batch(0, 128, split="validation").targets
    torch.testing.assert_close(p.sum(-1), torch.ones(128, 96, dtype=torch.float64), rtol=0, atol=1e-15)
    assert p.gather(-1, targets[..., None]).min() > 0


def test_words_are_as_frequent_as_their_probabilities_say():
    # Each word's count is a sum of independent-given-the-past draws: variance is the sum of p (1 - p).
    task, count = Stories(), 2048
    p = task.probabilities(0, count).numpy()
    targets = task.batch(0, count, split="validation").targets.numpy()
    drawn = targets[..., None] == np.arange(task.vocab_size)
    deviation = (drawn - p).sum((0, 1)) / np.sqrt(np.maximum((p * (1 - p)).sum((0, 1)), 1e-9))
    assert np.abs(deviation).max() < 4
    surprise = -np.log(p[drawn])
    floor = torch.special.entr(torch.from_numpy(p)).sum(-1).mean().item()
    assert abs(surprise.mean() - floor) < 4 * surprise.std() / np.sqrt(surprise.size)


def test_the_truth_reaches_exactly_the_floor_and_nothing_else_does():
    task = Stories()
    best = evaluate(task, Oracle(task, 64), batches=1)
    assert best.loss_nats == pytest.approx(best.floor_nats, abs=1e-9)
    assert best.scores == {"one-hop": 1.0, "two-hop": 1.0, "three-hop": 1.0}
    for size in (1e-3, 1e-2, 1.0):
        noise = size * torch.randn(task.vocab_size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert evaluate(task, Oracle(task, 64, noise), batches=1).loss_nats > best.floor_nats
    uniform = Oracle(task, 64)
    uniform.p = {row: torch.zeros_like(p) for row, p in uniform.p.items()}
    assert evaluate(task, uniform, batches=1).loss_nats == pytest.approx(np.log(task.vocab_size))
    assert np.log(task.vocab_size) > 3 * best.floor_nats


def test_scores_count_answers_by_the_readers_hops():
    # A model that is right about chains of exactly two facts and about nothing else.
    task, batch_size = Stories(), 64
    model = Oracle(task, batch_size)
    for row, steps in zip(list(model.p), read_stories(task, batch_size), strict=True):
        for t, (_, _, hops) in enumerate(steps[1:]):
            if hops not in (0, 2):
                model.p[row][t] = -model.p[row][t]
    scores = evaluate(task, model, batches=1, batch_size=batch_size).scores
    assert scores == {"one-hop": 0.0, "two-hop": 1.0, "three-hop": 0.0}


def test_guessing_rooms_by_recency_is_not_enough():
    task = Stories()
    rooms = set(reader(task).rooms)
    latest, stale = [], []
    share = sentences = 0
    for steps in read_stories(task, 512):
        words = [word for word, _, _ in steps]
        seen, place = None, {}
        for t, (word, _, hops) in enumerate(steps):
            if hops:
                latest.append(seen == word)
                if hops == 2:
                    stale.append(place.get(words[t - 2]) == word)
                share += 1
            if word in rooms:
                seen = word
                if not hops:
                    place[words[t - 4]] = word  # "mary goes to the kitchen"
            if words[t - 1] == "the" and words[t - 2] in TAKES + DROPS:
                place[word] = place.get(words[t - 3])  # "mary takes the ball": where mary was, if a move said so
            sentences += word == "."
    assert np.mean(latest) < 0.5
    assert np.mean(stale) < 0.6  # the room where the object was last touched
    assert 0.2 < share / sentences < 0.33


def test_nothing_hidden_matters():
    # Two stories with the same words so far have the same next-word distribution: state is a function of the prefix.
    task = Stories(people=2, rooms=2, objects=1)
    p, tokens = task.probabilities(0, 4096).numpy(), task.batch(0, 4096, split="validation").tokens.numpy()
    seen, repeats = {}, 0
    for row, dist in zip(tokens, p, strict=True):
        for t in range(30):
            before = seen.setdefault(row[: t + 1].tobytes(), dist[t])
            repeats += before is not dist[t]
            assert np.array_equal(before, dist[t])
    assert repeats > 4096


def test_batches_are_pure_and_cut_from_one_endless_list():
    task = Stories()
    one = task.batch(3, 32, seed=5)
    task.batch(100, 32)  # another block in between
    again = Stories().batch(3, 32, seed=5)
    assert torch.equal(one.tokens, again.tokens) and torch.equal(one.targets, again.targets)
    assert torch.equal(one.tokens[:, 1:], one.targets[:, :-1])
    across = task.batch(1, BLOCK - 12)  # begins in one block and ends in the next
    parts = torch.cat([task.batch(0, BLOCK).tokens, task.batch(1, BLOCK).tokens])
    assert torch.equal(across.tokens, parts[BLOCK - 12 : 2 * (BLOCK - 12)])
    short = task.batch(3, 32, seed=5, seq_len=20)
    assert torch.equal(short.tokens, one.tokens[:, :20]) and torch.equal(short.targets, one.targets[:, :20])


def test_a_caller_may_write_into_a_batch():
    task = Stories()
    batch = task.batch(0, 8)
    before = batch.tokens.clone()
    batch.tokens.zero_()
    assert torch.equal(task.batch(0, 8).tokens, before)


def test_splits_and_seeds_share_no_story():
    task = Stories()
    parts = [task.batch(0, 2048, split=s, seed=k).tokens for s in ("train", "validation", "test") for k in range(3)]
    stories = {tuple(row.tolist()) for part in parts for row in part}
    assert len(stories) == 9 * 2048


def test_a_known_story():
    # Fixed for good: another language can check its generator against it.
    assert Stories().decode(Stories().batch(0, 1).tokens[0, :34]) == (
        "mary walks to the attic . anna hurries to the cellar . anna runs to the office . where is mary ? attic . "
        "john goes to the office . omar walks to the"
    )


def test_show_marks_answers_and_continues():
    task = Stories()
    model = Transformer(
        ModelConfig(
            vocab_size=task.vocab_size, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32, max_seq_len=96
        )
    )
    text = task.show(model)
    assert "where is" in text and "[one-hop, wrong: cellar]" in text and "the model goes on]" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"people": 1}, "people=1: choose 2 to 8"),
        ({"rooms": 9}, "rooms=9: choose 2 to 8"),
        ({"objects": 0}, "objects=0: choose 1 to 8"),
        ({"seq_len": 8}, "seq_len=8: too short"),
    ],
)
def test_impossible_worlds_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        make("stories", **options)


def test_empty_requests_are_refused():
    task = Stories()
    with pytest.raises(ValueError, match="batch_size=0"):
        task.batch(0, 0)
    with pytest.raises(ValueError, match="batches=0"):
        evaluate(task, Oracle(task, 1), batches=0)
    with pytest.raises(ValueError, match="split='dev'"):
        task.batch(0, 1, split="dev")
