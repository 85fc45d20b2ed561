"""The shell game against cups moved by hand; its groups; what is held out; how answers are counted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mobilellm_lab.tasks import evaluate, make
from mobilellm_lab.tasks.shells import Shells, composition_table, permutations

GROUPS = {"S2": (2, False, 2), "S3": (3, False, 6), "A3": (3, True, 3), "S4": (4, False, 24), "A4": (4, True, 12)}
GROUPS |= {"A5": (5, True, 60), "S5": (5, False, 120)}


class Answering:
    """A model of any answer: `answer(tokens)` (B, T) gets all the probability, or the logits if it has three axes."""

    def __init__(self, vocab_size, answer):
        self.embed, self.vocab_size, self.answer = SimpleNamespace(weight=torch.zeros(1)), vocab_size, answer

    def __call__(self, tokens):
        said = self.answer(tokens)
        return said if said.ndim == 3 else 100.0 * torch.nn.functional.one_hot(said, self.vocab_size)


def by_hand(task, moves):
    """The states after each move, with cups carried about in a list."""
    rows = [tuple(row) for row in permutations(task.n_cups, task.even_only).tolist()]
    cups, states = list(range(task.n_cups)), []
    for move in moves:
        cups = [cups[source] for source in rows[move]]
        states.append(rows.index(tuple(cups)))
    return states


def oracle(task):
    return Answering(task.vocab_size, lambda tokens: torch.tensor([by_hand(task, row) for row in tokens.tolist()]))


@pytest.mark.parametrize("options", [{}, {"n_cups": 2}, {"n_cups": 4}, {"n_cups": 5}, {"n_cups": 5, "even_only": True}])
def test_answers_follow_from_the_moves(options):
    task = Shells(seq_len=15, **options)
    batch = task.batch(4, 30, seed=2)
    for moves, states in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
        assert states == by_hand(task, moves)


def test_two_moves_worked_out_on_paper():
    """Move 1 swaps the last two cups, move 2 the first two; one after the other they are a cycle."""
    assert permutations(3).tolist() == [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    table = composition_table(permutations(3))
    # ABC, swap the last two: ACB; then swap the first two: CAB, which is (2, 0, 1).
    assert table[1, 2] == 4
    # ABC, swap the first two: BAC; then swap the last two: BCA, which is (1, 2, 0).
    assert table[2, 1] == 3


@pytest.mark.parametrize("name", GROUPS)
def test_the_table_is_that_of_a_group(name):
    n_cups, even_only, size = GROUPS[name]
    rows = permutations(n_cups, even_only)
    table = composition_table(rows)
    everything = np.arange(size)
    assert rows.shape == (size, n_cups) and len({tuple(row) for row in rows}) == size
    assert table.shape == (size, size)
    assert (table[0] == everything).all() and (table[:, 0] == everything).all()  # the identity comes first
    assert (np.sort(table, 0) == everything[:, None]).all() and (np.sort(table, 1) == everything).all()  # Latin square
    left, right = table[table[:, :, None], everything], table[everything[:, None, None], table[None]]
    assert (left == right).all()  # (a b) c = a (b c)


@pytest.mark.parametrize("n_cups", [3, 4, 5])
def test_even_permutations_have_determinant_one(n_cups):
    even = permutations(n_cups, even_only=True)
    signs = [round(np.linalg.det(np.eye(n_cups)[row])) for row in permutations(n_cups)]
    assert signs.count(1) == len(even)
    assert all(round(np.linalg.det(np.eye(n_cups)[row])) == 1 for row in even)


def test_moves_and_states_are_even():
    batch = Shells().batch(0, 5000)
    for tensor in (batch.tokens[:, 0], batch.tokens[:, 7], batch.targets[:, -1]):
        counts = tensor.bincount(minlength=6)
        assert (counts - 5000 / 6).abs().max() < 4.5 * (5000 * 5 / 36) ** 0.5


def test_batches_are_cut_from_one_endless_list():
    task = Shells()
    whole = task.batch(0, 12, seed=3)
    parts = [task.batch(i, 4, seed=3) for i in range(3)]
    assert torch.equal(torch.cat([part.tokens for part in parts]), whole.tokens)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


@pytest.mark.parametrize("hold_out", [False, True])
def test_a_shorter_sequence_is_the_start_of_a_longer_one(hold_out):
    task = Shells(hold_out=hold_out)
    long, short = task.batch(0, 20, seq_len=24), task.batch(0, 20, seq_len=1)
    assert torch.equal(task.batch(0, 20).tokens, long.tokens[:, :12])
    assert torch.equal(short.tokens, long.tokens[:, :1]) and torch.equal(short.targets, long.targets[:, :1])


def pairs(task, split, *, n=6):
    """How often move b follows move a."""
    tokens = torch.cat([task.batch(i, 256, split=split).tokens for i in range(4)])
    return (tokens[:, :-1] * n + tokens[:, 1:]).flatten().bincount(minlength=n * n).reshape(n, n)


def test_held_out_pairs_never_occur_in_training_and_all_others_do():
    counts = pairs(Shells(hold_out=True), "train")
    for move in range(6):
        assert counts[move, (move + 1) % 6] == 0
        others = [counts[move, (move + step) % 6].item() for step in (0, 2, 3, 4, 5)]
        assert min(others) > 0.8 * max(others)
    for other in (
        pairs(Shells(hold_out=True), "validation"),
        pairs(Shells(hold_out=True), "test"),
        pairs(Shells(), "train"),
    ):
        assert other.min() > 0.7 * other.max()


def test_holding_out_changes_training_sequences_only():
    plain, held = Shells(), Shells(hold_out=True)
    for split in ("validation", "test"):
        assert torch.equal(plain.batch(0, 50, split=split).tokens, held.batch(0, 50, split=split).tokens)
    assert not torch.equal(plain.batch(0, 50).tokens, held.batch(0, 50).tokens)


def test_the_truth_scores_one():
    task = Shells(hold_out=True)
    found = evaluate(task, oracle(task), batches=2, batch_size=32)
    assert found.loss_nats == pytest.approx(0, abs=1e-6)
    assert found.floor_nats == 0
    assert found.scores == {
        "accuracy": 1.0,
        "accuracy at the last position": 1.0,
        "accuracy at unseen pairs": 1.0,
    }


def test_guessing_scores_a_sixth():
    task = Shells()
    uniform = Answering(6, lambda tokens: torch.zeros(*tokens.shape, 6))
    found = evaluate(task, uniform)
    assert found.loss_nats == pytest.approx(np.log(6), abs=1e-5)
    assert found.scores["accuracy"] == pytest.approx(1 / 6, abs=0.02)
    assert set(found.scores) == {"accuracy", "accuracy at the last position"}
    always_home = Answering(6, torch.zeros_like)
    assert evaluate(task, always_home).scores["accuracy"] == pytest.approx(1 / 6, abs=0.02)
    assert evaluate(task, always_home).loss_nats == pytest.approx(100 * 5 / 6, rel=0.03)


def test_scores_count_the_positions_they_name():
    """A model that is right at the last position only, and one that is right where a pair was held out."""
    task, truth = Shells(hold_out=True), oracle(Shells())

    def last(tokens):
        right = truth.answer(tokens)
        return torch.where(torch.arange(12) == 11, right, (right + 1) % 6)

    def unseen(tokens):
        right = truth.answer(tokens)
        step = torch.cat((torch.zeros_like(tokens[:, :1]), tokens.diff(dim=1) % 6), 1)
        return torch.where(step == 1, right, (right + 1) % 6)

    found = evaluate(task, Answering(6, last), batches=1, batch_size=64).scores
    assert found["accuracy"] == pytest.approx(1 / 12) and found["accuracy at the last position"] == 1
    found = evaluate(task, Answering(6, unseen), batches=1, batch_size=64).scores
    assert found["accuracy at unseen pairs"] == 1
    assert found["accuracy"] == pytest.approx(11 / 12 / 6, abs=0.03)
    assert found["accuracy at the last position"] < 0.4


def test_skip_leaves_the_first_positions_out():
    """A model that is right in the first half only."""
    task, truth = Shells(hold_out=True), oracle(Shells())

    def early(tokens):
        right = truth.answer(tokens)
        return torch.where(torch.arange(tokens.shape[1]) < 12, right, (right + 1) % 6)

    whole = evaluate(task, Answering(6, early), batches=1, batch_size=32, seq_len=24)
    beyond = evaluate(task, Answering(6, early), batches=1, batch_size=32, seq_len=24, skip=12)
    nearly = evaluate(task, Answering(6, early), batches=1, batch_size=32, seq_len=24, skip=6)
    assert [e.scores["accuracy"] for e in (whole, beyond, nearly)] == pytest.approx([1 / 2, 0, 1 / 3])
    assert beyond.scores["accuracy at unseen pairs"] == 0 < nearly.scores["accuracy at unseen pairs"]
    assert beyond.loss_nats == pytest.approx(100, rel=1e-4)


def test_more_batches_are_more_sequences():
    task = Shells()
    one, four = (evaluate(task, Answering(6, torch.zeros_like), batches=n, batch_size=64) for n in (1, 4))
    assert one.scores["accuracy"] != four.scores["accuracy"]
    same = evaluate(task, Answering(6, torch.zeros_like), batches=1, batch_size=256)
    assert same.scores["accuracy"] == pytest.approx(four.scores["accuracy"])
    assert same.loss_nats == pytest.approx(four.loss_nats, rel=1e-5)


def test_a_move_is_spelled_as_what_it_makes_of_abc():
    task = Shells()
    assert sorted(map(task.spell, range(task.vocab_size))) == ["ABC", "ACB", "BAC", "BCA", "CAB", "CBA"]
    assert task.spell(0) == "ABC"


def test_show_spells_the_game_and_marks_what_is_wrong():
    task = Shells(seq_len=5)
    lines = task.show(oracle(task)).splitlines()
    assert lines[0] == "move  cups  model" and len(lines) == 6
    assert "wrong" not in "".join(lines)
    cups = "ABC"
    for line in lines[1:]:
        move, now, said = line.split()
        cups = "".join(cups["ABC".index(source)] for source in move)
        assert now == said == cups
    wrong = Answering(6, lambda tokens: (oracle(task).answer(tokens) + (torch.arange(5) == 3)) % 6)
    assert ["wrong" in line for line in task.show(wrong).splitlines()[1:]] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_cups": 1}, "n_cups=1: choose 2 to 5"),
        ({"n_cups": 6}, "n_cups=6: choose 2 to 5"),
        ({"seq_len": 0}, "seq_len=0: a sequence has at least 1 move"),
        ({"n_cups": 2, "even_only": True}, "n_cups=2 with even_only=True.*choose 3 to 5"),
    ],
    ids=str,
)
def test_impossible_games_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make("shells", **options)


def test_empty_requests_are_refused():
    task = Shells()
    with pytest.raises(ValueError, match="batches=0"):
        evaluate(task, oracle(task), batches=0)
    with pytest.raises(ValueError, match="split='dev'"):
        task.batch(0, 1, split="dev")
    with pytest.raises(ValueError, match="seed=-1"):
        task.batch(0, 1, seed=-1)
