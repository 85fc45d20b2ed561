"""Chapter 3's quiz: five questions about bytes, speed, outliers, calibration and a fair comparison."""

from mobilellm_lab.teaching.quiz import Option, Question, Quiz

BYTES = Question(
    text="A matrix of a million weights is stored in 4 bits, with a scale of 16 bits for every group of 32. How many "
    "bytes is that?",
    options=(
        Option(
            text="500,000: two weights in each byte.",
            reason="That is the codes alone. Without their scales they stand for nothing.",
        ),
        Option(
            text="562,500: two weights in each byte, and two bytes for each group.",
            reason="The scale is half a bit more for each of its 32 weights, 4.5 in all. With groups of 8 it would be "
            "6: finer groups are paid for in bytes.",
            right=True,
        ),
        Option(
            text="531,250: a scale takes one byte.",
            reason="16 bits are two bytes. Formats with scales of 8 bits exist, but then the scale itself is rounded.",
        ),
        Option(
            text="1,000,000: no type is smaller than a byte.",
            reason="That is what a library stores that keeps each code in an `int8`; such a file is no smaller than "
            "one of 8 bits. Packed codes share a byte.",
        ),
    ),
)

SLOWER = Question(
    text="A small model's Linears are converted to dynamic int8, and it writes *fewer* tokens per second than before. "
    "The conversion has worked. What is the likeliest reason?",
    options=(
        Option(
            text="A processor adds and multiplies floats faster than small integers.",
            reason="A small integer asks less of a processor than a float. But the arithmetic is not what takes the "
            "time here.",
        ),
        Option(
            text="The weights are turned back into floats when the file is loaded.",
            reason="Then the speed would be the old one. And that happens once, while tokens are written again and "
            "again.",
        ),
        Option(
            text="Each layer now starts more operations, and there were few bytes to save.",
            reason="Finding the range of the input, rounding it and scaling the result back are operations of their "
            "own, at a fixed cost each. A larger model saves more bytes for the same number of them.",
            right=True,
        ),
        Option(
            text="It has lost accuracy, and needs more tokens for the same answer.",
            reason="Tokens per second do not count what a token is worth. One token takes longer here.",
        ),
    ),
)

OUTLIER = Question(
    text="One weight of a matrix is fifty times as large as any other. The matrix is rounded to 4 bits. With which "
    "grid do the other weights suffer least?",
    options=(
        Option(
            text="A scale for every group of 32 neighbours in a row.",
            reason="The large weight sets the step of its own group, and 31 weights round to 0. All others keep a step "
            "that fits them.",
            right=True,
        ),
        Option(
            text="A scale for every row.",
            reason="Its whole row rounds to 0. That is one output of many, and more than need be.",
        ),
        Option(
            text="One scale for the matrix.",
            reason="Sixteen values then reach from the large weight to its negative: every other weight rounds to 0.",
        ),
        Option(
            text="One affine range for the matrix, from its lowest to its highest weight.",
            reason="It uses the codes of the side where no outlier is, which halves the step. Fifty times too large a "
            "step becomes twenty-five times too large.",
        ),
    ),
)

CALIBRATE = Question(
    text="Which of these cannot be done without running sample data through the model first?",
    options=(
        Option(
            text="Rounding the weights to nearest, with a scale per group.",
            reason="The weights are there, and so is their range. GPTQ and AWQ do look at data, to choose better.",
        ),
        Option(
            text="Rounding each token's activations as they come, with a scale of their own.",
            reason="That is dynamic quantization: the range is measured on the token itself, each time anew.",
        ),
        Option(
            text="Keeping keys and values of the cache in 8 bits, with a scale per position.",
            reason="Their scale too is taken from what is stored, when it is stored.",
        ),
        Option(
            text="Rounding activations with one range that stays the same for every input.",
            reason="A range that is fixed beforehand has to be known beforehand. That is static quantization, and the "
            "data should look like what will come.",
            right=True,
        ),
    ),
)

FAIR = Question(
    text="A model is rounded to 2 bits and is poor. Sixty more steps of training with rounding in the loop, and "
    "it is good. Was it the rounding in the loop, or the sixty steps? What should stand beside it?",
    options=(
        Option(
            text="The float model before all this, since no quantized one can be better.",
            reason="It can: with more training a quantized model may pass the float one that it started from. That "
            "says nothing about which of the two did it.",
        ),
        Option(
            text="The float model after the same sixty steps, and then rounded.",
            reason="It has had the same data and updates, and differs in the rounding only. Each of the two should "
            "have its own best learning rate.",
            right=True,
        ),
        Option(
            text="The same model at 8 bits, to see what the sixty steps do without loss.",
            reason="At 8 bits rounding hardly matters, so it cannot show whether training with it helps.",
        ),
        Option(
            text="A model trained with rounding from the start.",
            reason="An interesting arm, but a far longer one: it changes the length of the training along with the "
            "rest.",
        ),
    ),
)

QUIZ = Quiz(name="quantization", questions=(BYTES, SLOWER, OUTLIER, CALIBRATE, FAIR))
