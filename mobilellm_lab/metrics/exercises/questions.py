"""Chapter 7's quiz: five questions about percentiles, columns, energy, intervals and who may be compared with whom."""

from mobilellm_lab.teaching.quiz import Option, Question, Quiz

TAIL = Question(
    text="A chat model writes 100 tokens. 95 of the gaps between them take 10 ms, five take 200 ms. Which sentence "
    "tells a reader what to expect?",
    options=(
        Option(
            text="It takes 19.5 ms per token.",
            reason="That is the mean, and no gap is near it: most are half as long, a few ten times as long. The mean "
            "is right for the length of the whole answer only.",
        ),
        Option(
            text="It takes 10 ms per token.",
            reason="That is the median. It describes the usual gap, and hides that every twentieth is a visible halt.",
        ),
        Option(
            text="10 ms at the median, 200 ms at the 99th percentile.",
            reason="The two numbers say what is usual and how bad the slow ones are. With the number of gaps beside "
            "them a reader can also tell how far the percentile can be trusted.",
            right=True,
        ),
        Option(
            text="It takes 200 ms per token in the worst case.",
            reason="The longest of 100 gaps is not the worst case: in 10,000 gaps a longer one would come. A maximum "
            "grows with the number of looks.",
        ),
    ),
)

VERDICT = Question(
    text="30 pairs of timings give a ratio of 1.03 with a 95 % interval from 0.98 to 1.08. What do you report?",
    options=(
        Option(
            text="Not distinguishable: with these pairs anything from 2 % faster to 8 % slower fits.",
            reason="The interval holds 1, so the sign of the difference is open. More pairs, or a quieter machine, "
            "make it narrower, and then there may be a verdict.",
            right=True,
        ),
        Option(
            text="3 % slower, since 1.03 is the best single guess.",
            reason="It is the best guess, and its sign is not known. Without the interval the next reader builds on 3 "
            "% that may be -2 %.",
        ),
        Option(
            text="Equal, since the interval holds 1.",
            reason="Not seeing a difference is not seeing that there is none: 8 % slower fits just as well. To call "
            "two variants equal, the whole interval must lie within what you would not care about.",
        ),
        Option(
            text="Nothing yet: I repeat until the interval leaves 1, and report that.",
            reason="Whoever stops at the first interval that leaves 1 will find a difference between equal variants, "
            "if they look often enough. Fix the number of pairs first.",
        ),
    ),
)

COLUMNS = Question(
    text="A 4-bit model has a file of 1.1 GB. A phone app may use 1.5 GB. Will it run?",
    options=(
        Option(
            text="Yes: 1.1 GB are less than 1.5 GB, and the file holds all weights.",
            reason="The file holds the weights, and running also needs the KV cache, activations and the runtime. "
            "Published runs of such a model need almost twice the file.",
        ),
        Option(
            text="Yes, since only the pages of the file that are in use are loaded.",
            reason="A decoder uses all of its weights for every token. What is not in memory is read from storage "
            "again and again.",
        ),
        Option(
            text="No: in memory every weight is 16 bits again.",
            reason="That depends on the runtime. Kernels for 4 bits multiply the packed weights; a runtime without "
            "them unpacks, and then this would be so.",
        ),
        Option(
            text="The file does not say: measure the peak memory of a run with the longest context.",
            reason="Bytes on disk and bytes in memory are two columns. The second has the KV cache, which grows with "
            "the context, activations, and what the runtime keeps twice; only a run shows the sum.",
            right=True,
        ),
    ),
)

TOKENIZERS = Question(
    text="Model A has a perplexity of 3 per byte-token, model B one of 12 per token of four bytes on average, on the "
    "same text. Which is the better language model of this text?",
    options=(
        Option(
            text="A: its perplexity is four times lower.",
            reason="A's tokens are shorter, so each is easier to guess, and there are four times as many of them. The "
            "perplexities count different things.",
        ),
        Option(
            text="B: it needs 0.90 bits per byte where A needs 1.58.",
            reason="log2(12) = 3.58 bits per token over four bytes is 0.90 bits per byte; log2(3) = 1.58 bits for one "
            "byte. What both had to encode is the same text, so bits of the whole text compare.",
            right=True,
        ),
        Option(
            text="They are equal, since 3 to the fourth power is about as surprising as 12.",
            reason="3 to the fourth power is 81 equally likely choices for four bytes, where B has 12. Multiplying is "
            "the right idea, and the answer is B.",
        ),
        Option(
            text="It cannot be said without knowing both vocabularies.",
            reason="The loss of the whole text and its length in bytes are enough, whatever the vocabularies are.",
        ),
    ),
)

ENERGY = Question(
    text="Backend X draws 6 W and writes 40 tokens/s; backend Y draws 2 W and writes 8 tokens/s. Which one is easier "
    "on the battery, for the same answers?",
    options=(
        Option(
            text="Y, since it draws a third of the power.",
            reason="It draws a third for five times as long. A battery holds energy, not power.",
        ),
        Option(
            text="Both alike: power and speed cancel.",
            reason="They would if power fell as much as speed did. Here it is a third against a fifth.",
        ),
        Option(
            text="X: it needs 0.15 J for a token, and Y 0.25 J.",
            reason="Energy per token is power divided by tokens/s. What X draws it draws for a fifth of the time. "
            "(Heat is another matter: a phone may not be able to hold 6 W for long.)",
            right=True,
        ),
    ),
)

QUIZ = Quiz(name="metrics", questions=(TAIL, VERDICT, COLUMNS, TOKENIZERS, ENERGY))
