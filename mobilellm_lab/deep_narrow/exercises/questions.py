"""Chapter 2's quiz: five questions about what depth, heads, masks and sharing change, and what they do not."""

from mobilellm_lab.teaching.quiz import Option, Question, Quiz

ARITHMETIC = Question(
    text="One model has a single wide layer, the other sixteen narrow ones; both have 60,000 parameters. How does "
    "the arithmetic for one token compare, at a short context?",
    options=(
        Option(
            text="Sixteen narrow layers need far fewer operations, since narrow matrices are small.",
            reason="One narrow layer is cheap, but sixteen of them run. Their matrices together hold as many "
            "weights as the wide layer's, and each weight is used once per token.",
        ),
        Option(
            text="They need about the same number of operations, sixteen layers a little more.",
            reason="Each stored weight makes one multiply-add per token, in whatever layer it stands. On top comes "
            "the attention to earlier positions, which grows with layers times width; at a short context it is "
            "small.",
            right=True,
        ),
        Option(
            text="Sixteen layers need sixteen times the operations, one share for every layer passed.",
            reason="Each narrow layer has about a sixteenth of the weights. What can grow nearly with the number of "
            "layers is the *time* of a tiny model, because each layer waits for the one before.",
        ),
        Option(
            text="Nobody can say before both are measured, because speed depends on the machine.",
            reason="Speed does, the number of operations does not: it follows from the shape by formula. Keep the "
            "two in separate columns.",
        ),
    ),
)

GQA = Question(
    text="A model keeps its 8 query heads, and goes from 8 key/value heads to 2. Width and head size stay. What "
    "shrinks to a quarter?",
    options=(
        Option(
            text="The weights of attention, because there are four times fewer heads.",
            reason="Only the matrices of keys and values shrink to a quarter; those of queries and output stay. All "
            "four together go from 4 to 2.5 times the width squared.",
        ),
        Option(
            text="The operations that score a token against those before it.",
            reason="Each of the 8 query heads still scores every position. Four of them share the keys, but each "
            "computes its own products.",
        ),
        Option(
            text="The memory that keeps keys and values of the past tokens.",
            reason="The cache holds a key and a value for each layer, token and key/value head: 2 heads in place of "
            "8 are a quarter. It is read again for every new token.",
            right=True,
        ),
        Option(
            text="The number of different attention patterns in a layer.",
            reason="Each query head still makes its own pattern, so there are 8. Heads of one group compare "
            "different queries with the same keys.",
        ),
    ),
)

FLOOR = Question(
    text="Each token is drawn at random from 16 equally likely ones, and every batch is new. A language model's "
    "loss on them falls well below ln 16 = 2.77 nats. What has happened?",
    options=(
        Option(
            text="It has found regularities that look random to us but not to a network.",
            reason="There are none to find: each token is drawn independently of all before it. An honest prediction "
            "cannot be better than one sixteenth for each.",
        ),
        Option(
            text="It has memorised the sequences of its training data, which is overfitting.",
            reason="That needs sequences that come back. Here every batch is new, so that what was memorised never "
            "helps.",
        ),
        Option(
            text="Its optimiser is very good, and gets below what is reached on average.",
            reason="ln 16 is no average of attempts. It is the entropy of the next token, and no training gets "
            "below it without seeing that token.",
        ),
        Option(
            text="It is shown the token that it is asked for, most likely by a missing mask.",
            reason="Without a causal mask a position attends to the tokens after it, and the next one is the "
            "answer. In use there is no next token yet, and the skill is gone.",
            right=True,
        ),
    ),
)

WAITING = Question(
    text="One user reads along, one token at a time. The parameters stay equal while the layers double. In which "
    "model does the time of a token grow least, in proportion?",
    options=(
        Option(
            text="In a model of 125 million parameters, whose weights come from memory for every token.",
            reason="Most of its time goes to reading weights, and there are as many at any depth. What a layer "
            "adds, the time to start its operations, is small beside that.",
            right=True,
        ),
        Option(
            text="In a model of 60 thousand parameters, whose layers are so small that they cost nothing.",
            reason="Its arithmetic costs next to nothing, but each operation takes a fixed time to start, however "
            "small it is. Nearly all of its time is such starts, and they double.",
        ),
        Option(
            text="In both alike: equal parameters mean equal arithmetic, and so equal time.",
            reason="The arithmetic is about equal, the time is not. It also holds the starting of operations, and "
            "those wait for each other layer by layer.",
        ),
        Option(
            text="In both alike: twice the layers take twice the time, whatever the size.",
            reason="That would be so if starting a layer were all there is. In a large model the weights must be "
            "read, and halving the width of a layer takes away from that.",
        ),
    ),
)

SHARING = Question(
    text="Thirty blocks are stored, and each runs twice in a row. What is saved, compared with sixty stored blocks "
    "of the same shape that run once each?",
    options=(
        Option(
            text="Half of the arithmetic per token, because there are half as many blocks.",
            reason="Sixty blocks run in both models. A weight that is used twice makes two multiply-adds per token.",
        ),
        Option(
            text="Half of the stored block weights, in the file and in memory.",
            reason="Thirty blocks are stored in place of sixty. The second run of a block may also find its weights "
            "still in a fast memory, which is why MobileLLM repeats it at once.",
            right=True,
        ),
        Option(
            text="Half of the KV cache, because a shared block shares its keys and values.",
            reason="The two runs of a block see different inputs and make different keys and values. Each of the "
            "sixty keeps its own.",
        ),
    ),
)

QUIZ = Quiz(name="deep_narrow", questions=(ARITHMETIC, GQA, FLOOR, WAITING, SHARING))
