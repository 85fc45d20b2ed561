"""Chapter 1's quiz: five questions about what a phone's memory, arithmetic, batches and heat allow."""

from mobilellm_lab.teaching.quiz import Option, Question, Quiz

WIDTH = Question(
    text="A phone's memory is LPDDR5X with 8,533 million transfers per second on a bus of 64 bits. How many bytes per "
    "second is that at most?",
    options=(
        Option(
            text="546 GB/s, 8,533 million times 64.",
            reason="That is gigabits: 64 bits cross the bus in each transfer. A byte has eight of them.",
        ),
        Option(
            text="68 GB/s, 8,533 million times 8 bytes.",
            reason="64 bits are 8 bytes, and the data rate counts every transfer. It is a peak: published decode runs "
            "reach about half of it.",
            right=True,
        ),
        Option(
            text="34 GB/s, because DDR memory transfers only on every second edge of the clock.",
            reason="The other way round: it transfers on both edges, and the data rate in transfers per second has "
            "counted that already.",
        ),
        Option(
            text="8.5 GB/s, one byte for each transfer.",
            reason="That would be a bus of 8 bits. The width of the bus counts as much as the rate.",
        ),
    ),
)

BINDS = Question(
    text="A phone's graphics unit reads a prompt almost eight times as fast as its processor, and writes the answer no "
    "faster. What explains both?",
    options=(
        Option(
            text="The answer is written by the processor in either case, since sampling needs it.",
            reason="Choosing the next token takes little. The layers run where the runtime puts them, also while the "
            "answer is written.",
        ),
        Option(
            text="The graphics unit is slow to start, and an answer is too short to make up for it.",
            reason="It would be slower then, and the rate was measured over many tokens. It is just as fast.",
        ),
        Option(
            text="A prompt is limited by arithmetic, an answer by reading the weights, and both units share one "
            "memory.",
            reason="All tokens of the prompt use a weight that was read once. Each token of the answer reads them all "
            "again, at the speed of a memory that is the same for both.",
            right=True,
        ),
        Option(
            text="Weights of 4 bits suit the graphics unit only for long inputs.",
            reason="They are unpacked in the same way in both phases. What differs is how often a weight is used after "
            "it was read.",
        ),
    ),
)

QUARTER = Question(
    text="In 4 bits instead of 16, a 1B model decodes 2.6 times as fast on the same phone. Why not four times?",
    options=(
        Option(
            text="Its step still reads more than a quarter of the bytes: scales, a wider output table, the cache.",
            reason="Each group of weights has its scale, the table that serves as the output layer often keeps 8 bits, "
            "and the cache is what it was. Count the bytes that are read, not the bits in the name.",
            right=True,
        ),
        Option(
            text="Processors have no instructions for 4 bits, so that the arithmetic takes four times as long.",
            reason="Unpacking does take some work, but decoding mostly waits for memory. The bytes alone explain "
            "the factor within a few percent.",
        ),
        Option(
            text="Fewer bits lower the quality, so that more tokens are needed for the same answer.",
            reason="That may be, but it does not change tokens per second.",
        ),
        Option(
            text="The phone was hot by then, and had lowered its clock.",
            reason="Heat does slow phones down, but both runs would feel it, and a lower clock hardly slows what "
            "waits for memory.",
        ),
    ),
)

BATCH = Question(
    text="One sequence of a large model is decoded at 20 tokens/s. Eight sequences are decoded together, each with a "
    "short context. What is to be expected of the tokens/s of all eight in sum?",
    options=(
        Option(
            text="20: memory is the limit, and it is as busy as before.",
            reason="As busy, but for eight tokens. The weights that a step reads serve every sequence of the batch.",
        ),
        Option(
            text="2.5, since eight sequences share the same memory.",
            reason="That would be 20 shared among them, and then the speed of one. They do not share the weights by "
            "turns: each weight is read once for all.",
        ),
        Option(
            text="More than 160, because large matrix products are more efficient.",
            reason="Eight tokens for the price of one would be the best case of reading alone. Nothing makes a step "
            "*shorter* than with one sequence.",
        ),
        Option(
            text="Several times 20, up to 160: each step reads the weights once and writes eight tokens.",
            reason="Up to the point where arithmetic takes longer than reading, or the eight caches weigh as much as "
            "the weights. Phones rarely have eight users, servers do.",
            right=True,
        ),
    ),
)

HEAT = Question(
    text="An assistant answers at 40 tokens/s in the first minute and at 23 from the eighth answer on, on the same "
    "phone. What should its makers plan with?",
    options=(
        Option(
            text="40: it is the speed of the hardware, and the rest is a flaw of the measurement.",
            reason="A phone cannot get rid of the heat that its chip makes at full speed, so it lowers the clock. "
            "That is how it works, not a flaw.",
        ),
        Option(
            text="About 23, and say so: what a hot phone sustains, with the temperature and the number of answers.",
            reason="Users of a long conversation meet the sustained speed. Both numbers are true; a single one "
            "without the conditions is not.",
            right=True,
        ),
        Option(
            text="The mean of the two, about 31.",
            reason="Nobody meets the mean: short talks are faster, long ones slower. A mean hides that there are two "
            "states.",
        ),
    ),
)

QUIZ = Quiz(name="constraints", questions=(WIDTH, BINDS, QUARTER, BATCH, HEAT))
