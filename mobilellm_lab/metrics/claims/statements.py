"""Chapter 7's claims: what the article and common practice say of measuring, restated, each beside what was found."""

from mobilellm_lab.metrics.claims import habits, measures
from mobilellm_lab.teaching.claim import Claim, Claims, Verdict

DUELS, PITFALLS = "mobilellm-lab sweep metrics", "mobilellm-lab sweep metrics_lies"
HERE = "mobilellm_lab.metrics.claims"

ARTICLE = (
    Claim(
        name="tokens-per-second",
        said="The speed of inference is the number of tokens handled in a second.",
        source="the article, section 7",
        verdict=Verdict.HOLDS_WHEN,
        condition="it is said which tokens, read or written, and the answer is the long part.",
        finding="A 1B model on one phone reads {prefill_CPU} tokens/s and writes {decode_CPU} on the CPU, "
        "{prefill_GPU} and {decode_GPU} on the GPU, as published for LiteRT-LM. For 1,000 tokens after a prompt of 10 "
        "the rate of writing explains {long} % of the CPU's time; for 10 tokens after a prompt of 1,000 it explains "
        "{short} %. It is within 10 % in {cases} of {all} cases.",
        flips="to *holds* if reading cost nothing, as with a cached prompt. Report TTFT and time per output token, and "
        "the lengths of prompt and answer.",
        evidence=measures.tokens_per_second,
        command=f"{HERE}.measures.tokens_per_second()",
    ),
    Claim(
        name="latency-of-one",
        said="Latency is the time that one request takes.",
        source="the article, section 7",
        verdict=Verdict.HOLDS_WHEN,
        condition="what is to be seen is far larger than the noise.",
        finding="On a quiet machine one shot each says something false, a difference that is not there or the wrong "
        "winner, in {one_0} of 100 duels of equal variants, in {one_5} at a true slowdown of 5 % and in {one_20} at "
        "20 %. The interval of {pairs} pairs does so in {many_0}, {many_5} and {many_20}.",
        flips="to *does not hold* on a noisier machine. Latency is a distribution: report its median and its 95th and "
        "99th percentile.",
        evidence=habits.one_request,
        data=("metrics",),
        command=DUELS,
    ),
    Claim(
        name="memory-footprint",
        said="The memory footprint is the space that the model takes in memory.",
        source="the article, section 7",
        verdict=Verdict.HOLDS_WHEN,
        condition="the conversation is short.",
        finding="MobileLLM-125M has {weights_16} MiB of weights in 16 bits and {weights_4} MiB in 4. Its KV cache, "
        "which is no part of the model, has {cache_128} MiB after 128 tokens and {cache_2048} MiB after 2,048: there "
        "the weights are {share_16} % of both in 16 bits, and {share_4} % in 4.",
        flips="with the context and with the bits: the fewer bits a weight has, the sooner the cache is the larger "
        "part. Activations and the runtime come on top; only a run shows the peak.",
        evidence=measures.memory_footprint,
        command=f"{HERE}.measures.memory_footprint()",
    ),
    Claim(
        name="power",
        said="Power, the watts while the model runs, tells what it costs the battery.",
        source="the article, section 7",
        verdict=Verdict.HOLDS_WHEN,
        condition="the speeds are equal.",
        finding="As reported, an iPhone 14 Pro draws {phone_w} W and a Raspberry Pi with an accelerator {board_w} W "
        "while they write: {watts} times as much. For a token and a billion parameters they use {phone_j} and "
        "{board_j} J: {joules} times as much. What a battery holds is energy, power divided by tokens per second.",
        flips="where heat is the question: a phone can give off only so many watts, whatever a token costs.",
        evidence=measures.power,
        command=f"{HERE}.measures.power()",
    ),
    Claim(
        name="task-accuracy",
        said="A model's accuracy is its performance on a given task.",
        source="the article, section 7",
        verdict=Verdict.HOLDS_WHEN,
        condition="it comes with an interval, and the test set is large.",
        finding="Where half of the answers are right, the 95 % interval is {half_100} points on either side with 100 "
        "questions, {half_1000} with 1,000, {half_10000} with 10,000 and {half_100000} with 100,000. Steps of 0.2 to "
        "1.3 points, as the MobileLLM paper reports them for its recipe, are smaller than the first two.",
        flips="where two models answer the *same* questions: then only those count on which they differ, and far fewer "
        "are needed.",
        evidence=measures.accuracy,
        command=f"{HERE}.measures.accuracy()",
    ),
    Claim(
        name="weighed-together",
        said="Weighed together, the measures show which strategy is the best.",
        source="the article, section 7",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="They show which ones are *not*. Of {depths} depths with {small} parameters {left} are unbeaten in "
        "accuracy on the shell game and KV cache per token; over {budgets} budgets {least} to {most} are left.",
        flips="when a device sets limits: with a limit on every column but one, the best in that one is the choice.",
        evidence=measures.together,
        data=("deep_narrow",),
        command="mobilellm-lab sweep deep_narrow",
    ),
    Claim(
        name="runtime-speed",
        said="Of two runtimes, compare the inference speed: the faster one is faster.",
        source="the article, section 6",
        verdict=Verdict.HOLDS_WHEN,
        condition="the request is named: how long the prompt is, and how long the answer.",
        finding="On the same phone the GPU reads {reading} times as fast as the CPU and writes {writing} times as "
        "fast, as published for LiteRT-LM. A request with a short prompt and a long answer gains a factor of {answer}, "
        "one with a long prompt and a short answer {prompt}.",
        flips="if both phases gained alike. Reading is limited by arithmetic and writing by memory, so they rarely do.",
        evidence=measures.runtime_speed,
        command=f"{HERE}.measures.runtime_speed()",
    ),
)

COMMON = (
    Claim(
        name="file-is-memory",
        said="The size of a model's file is the memory that it needs.",
        source="common practice; the table is ExecuTorch's, https://github.com/pytorch/executorch",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Llama-3.2-1B on a OnePlus 12: a file of {large_file} MiB needs {large_run} MiB in 16 bits, one of "
        "{small_file} MiB needs {small_run} MiB in 4 bits. Over the published rows the process is {least} to {most} "
        "times as large as the file.",
        flips="for a large model with a short context and a runtime that maps the file and keeps nothing twice.",
        evidence=measures.file_size,
        command=f"{HERE}.measures.file_size()",
    ),
    Claim(
        name="first-call",
        said="One call tells how long the others take: it is the same code on the same input.",
        source="common practice",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="The first answer of a fresh process has its first token after {first} ms, later answers after "
        "{later} ms: {factor} times as long; in brackets the lowest and the highest repeat.",
        flips="where start-up is the question: an app that answers once and closes has the first call only.",
        evidence=habits.first_call,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="layer-times-layers",
        said="Time one layer in a loop and multiply by the number of layers.",
        source="common practice",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="In a loop a layer takes {alone} us, and {in_turn} us when it has to wait for its turn among the "
        "others. In the loop its weights stay in the cache; in a model they come from memory each time.",
        flips="for a model that fits into the cache as a whole.",
        evidence=habits.layer_alone,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="mean-latency",
        said="The average latency says what a user waits.",
        source="common practice; against it Dean and Barroso, https://research.google/pubs/the-tail-at-scale/",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Beside a busy process a token takes {mean} ms on average, and one in a hundred takes {tail} ms or "
        "more. An answer of a few hundred tokens has some of those.",
        flips="on a quiet machine, where the mean and the 99th percentile may be close. The percentiles show which "
        "case it is.",
        evidence=habits.mean_latency,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="more-threads",
        said="With a thread for every core a model runs faster.",
        source="common practice",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Beside a busy process a token takes {many} ms with a thread for every core and {one} ms with one: "
        "{factor} times as long, on {machine}. Threads wait for each other at the end of every operation, and one of "
        "them has lost its core.",
        flips="where the cores are free and the products are large enough to be shared. Measure one thread and all, "
        "and write down which it was.",
        evidence=habits.more_threads,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="repeats-are-enough",
        said="The mean of many runs evens the noise out.",
        source="common practice",
        verdict=Verdict.HOLDS_WHEN,
        condition="the difference is large beside the noise.",
        finding="Beside a busy neighbour the means of {pairs} runs each say something false in {means_0} of 100 duels "
        "of equal variants, in {means_5} at a true slowdown of 5 % and in {means_20} at 20 %. The interval of the same "
        "pairs does so in {interval_0}, {interval_5} and {interval_20}.",
        flips="where noise has no heavy tail: a single pause of the machine moves the mean of many runs, and hardly "
        "their median.",
        evidence=habits.repeats_are_enough,
        data=("metrics",),
        command=DUELS,
    ),
    Claim(
        name="interval-keeps-its-word",
        said="A paired interval of 95 % calls equal variants different in at most 5 of 100 duels.",
        source="this course, `mobilellm_lab.metrics.compare`",
        verdict=Verdict.HOLDS,
        finding="On average over {settings} settings, quiet and beside a busy neighbour, it calls {alarms} of 100 "
        "duels wrongly. The most in a single setting are {most}, where a few stretches of noise make up all duels.",
        flips="if the noise came in pairs: what always slows the second call of a pair is cancelled by a random order "
        "only on average.",
        evidence=habits.keeps_its_word,
        data=("metrics",),
        command=DUELS,
    ),
    Claim(
        name="lower-perplexity",
        said="The model with the lower perplexity is the better language model.",
        source="common practice; Hugging Face warns of it, https://huggingface.co/docs/transformers/perplexity",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Two models of equal size on the same text: the one with BPE tokens has {perplexity} times the "
        "perplexity of the one that reads bytes, and needs {bits} times its bits per byte.",
        flips="with the same tokenizer on the same text: then both give the same order.",
        evidence=habits.lower_perplexity,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="one-evaluation",
        said="An accuracy without an interval will do to compare two models.",
        source="common practice; against it Miller, arXiv 2411.00640",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="One model, ten evaluations of 40 questions: best and worst are {few} points apart. With 1,000 "
        "questions they are {many} points apart. It was the same model each time.",
        flips="where the difference is many times the width of the interval, which only the interval can tell.",
        evidence=habits.one_evaluation,
        data=("metrics_lies",),
        command=PITFALLS,
    ),
    Claim(
        name="setup-does-not-matter",
        said="What is not part of the experiment, such as the setup of the machine, does not change its verdict.",
        source="common practice; against it Mytkowicz and others, https://doi.org/10.1145/1508244.1508275",
        verdict=Verdict.ONLY_QUOTED,
        finding="They find that innocuous parts of a setup can lead to wrong conclusions, on every processor and "
        "compiler that they tried; of 133 papers that they read none took enough account of it.",
        flips="if a verdict stayed the same over many setups drawn at random, which is their cure.",
        evidence=None,
    ),
)

CLAIMS = Claims((*ARTICLE, *COMMON))
