"""Chapter 2's claims: what the article and the MobileLLM paper say, restated, each beside what was found here."""

from mobilellm_lab.deep_narrow.claims import advantages, roadmap, ways
from mobilellm_lab.teaching.claim import Claim, Claims, Verdict

RUNS, COSTS = "mobilellm-lab sweep deep_narrow", "mobilellm-lab sweep deep_narrow_cost"
HERE = "mobilellm_lab.deep_narrow.claims"
PAPER = "the MobileLLM paper, {}, arXiv 2402.14905"

ARTICLE = (
    Claim(
        name="fewer-parameters",
        said="For the same quality, a deep and narrow network needs fewer parameters than a shallow and wide one.",
        source="the article, section 2",
        verdict=Verdict.HOLDS_WHEN,
        condition="the answer must be composed step by step.",
        finding="On the shell game eight layers of {small} parameters reach {deep}, one layer of {large} reaches "
        "{wide}; in brackets the lowest and the highest of three seeds. Against four layers the saving is smaller: "
        "sixteen layers of half the size are never worse beyond the spread of the seeds, and better in {above} of "
        "{halves} comparisons. On stories, after a short training, two and eight layers of equal size have a loss of "
        "{stories_2} and {stories_8} nats, which shows no saving.",
        flips="with the task, and with the training: a short run compares how fast shapes start. It would hold without "
        "a condition if depth paid on language at this size too.",
        evidence=advantages.fewer_parameters,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="computes-less",
        said="A deep and narrow network computes less, because narrow layers mean small matrix products.",
        source="the article, section 2",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Every stored weight is used once for each token, so equal parameters are about equal arithmetic. With "
        "{deep} layers instead of {shallow} it is {least} to {most} % *more* on the shell game, mostly by attention "
        "over 12 positions, and {long} times as much at 2,048 positions and 60,000 parameters. What is narrower is one "
        "layer, not the model.",
        flips="when quality is held equal instead of size, on a task that rewards depth: one layer of {large} "
        "parameters computes {times} times as much as eight layers of {small}, and scores {score_1} where they score "
        "{score_8}.",
        evidence=advantages.computes_less,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="answers-faster",
        said="Deep and narrow shapes make a small language model answer faster on a phone.",
        source="the article, introduction and section 8",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="At equal parameters the deepest shape is the slower one at every budget that was timed. {small_deep} "
        "layers decode {small} times slower than {small_shallow} in the smallest model, {large_deep} layers {large} "
        "times slower than {large_shallow} in the largest; in brackets the ratios of the 10th and 90th percentiles of "
        "the rounds. Timed on {machine}; not on a phone.",
        flips="if reading the weights took all of the time and the deep model had fewer of them for the same quality. "
        "The larger the model, the closer it comes to that.",
        evidence=advantages.answers_faster,
        data=("deep_narrow_cost",),
        command=COSTS,
    ),
    Claim(
        name="less-memory",
        said="Deep and narrow shapes take less memory.",
        source="the article, introduction",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="At 125M parameters 12 layers store {weights_12} MiB in 16 bits and 30 layers {weights_30} MiB: the "
        "same, within the 2 % of a solved shape. The KV cache grows with depth, from {cache_12} to {cache_30} KiB for "
        "each token of the conversation, with eight heads on four key/value heads.",
        flips="if fewer parameters suffice for the same quality, as in the first claim, and the conversation is short; "
        "or if the deeper model has fewer key/value heads.",
        evidence=advantages.takes_less_memory,
        command=f"{HERE}.advantages.takes_less_memory()",
    ),
    Claim(
        name="generalises",
        said="Deep networks learn more abstract features, and so generalise better.",
        source="the article, section 2",
        verdict=Verdict.HOLDS_WHEN,
        condition="familiar moves come in new combinations, and then weakly; not when the game gets longer.",
        finding="With one in six pairs of moves left out of the training data, accuracy at these pairs is {unseen_1} "
        "with one layer, {unseen_2} with two, {unseen_4} with four and {unseen_8} with eight, where guessing gives "
        "{guessing}. Over all positions it rises more, from {overall_1} to {overall_8}. On positions beyond the "
        "trained length every depth and budget guesses: {low} to {high}.",
        flips="to *holds* if some depth carried what it learned beyond the trained length, and to *does not hold* if "
        "the gain at unseen pairs vanished in the spread of the seeds.",
        evidence=advantages.generalises,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="fewer-blocks",
        said="To get a deep and narrow model, use fewer transformer blocks.",
        source="the article, section 2.1",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Fewer blocks is the opposite of deep: MobileLLM-125M has {mobile} where models of its size had "
        "{others}. With layers of exactly the same shape, half as many lose {least} to {most} points of accuracy on "
        "the shell game, in all of {pairs} pairs. They do nearly halve the arithmetic, and the article itself "
        "warns of the loss.",
        flips="when latency binds and not the number of parameters. Meta's later MobileLLM-R1-140M has {r1} blocks; "
        "its paper gives no reason.",
        evidence=ways.fewer_blocks,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="fewer-heads",
        said="Fewer attention heads make a block cheaper to compute.",
        source="the article, section 2.1",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="At a given width the heads divide the same matrices among themselves. With 16, 8, 4 or 2 heads a "
        "model of width 128 and four layers does the same {flops} FLOPs per token at 128 positions, and stores the "
        "same weights.",
        flips="for key/value heads: two instead of eight make the cache {cache} times smaller and save {weights} % of "
        "that model's weights. Or if the width of a head is fixed, so that attention itself gets narrower.",
        evidence=ways.fewer_heads,
        command=f"{HERE}.ways.fewer_heads()",
    ),
    Claim(
        name="smaller-hidden-size",
        said="A smaller hidden size is the key to narrow: matrix products shrink, and inference gets faster.",
        source="the article, section 2.1",
        verdict=Verdict.HOLDS,
        finding="At every depth the narrower model computes less and decodes faster. The speed follows only in part: "
        "eight layers with {fraction} times fewer weights decode {faster} times faster where starting operations takes "
        "the time. And it costs quality: from {large} to {small} parameters, which is {less} times less arithmetic at "
        "eight layers, the median accuracy on the shell game falls by {lost_1} points with one layer, which had no "
        "use for the width, and by {least} to {most} points with two to sixteen.",
        flips="if narrowing stopped paying in time: in the smallest models most of the time is the number of "
        "operations, which width does not change.",
        evidence=ways.smaller_hidden_size,
        data=("deep_narrow", "deep_narrow_cost"),
        command=f"{RUNS} and {COSTS}",
    ),
    Claim(
        name="smaller-embeddings",
        said="A smaller embedding lowers the number of parameters and the arithmetic.",
        source="the article, section 2.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the vocabulary is large for the body.",
        finding="The table, stored once or twice, is {mobile} % of MobileLLM-125M, {mobile_1b} % of MobileLLM-1B and "
        "{gemma} % of Gemma 3 270M; it is more than a quarter in {many} of {models} published models. As the output "
        "layer it is multiplied once per token; looking a token up is free.",
        flips="with the size of the body: the larger it is, the less there is to save in the table.",
        evidence=ways.smaller_embeddings,
        command=f"{HERE}.ways.smaller_embeddings()",
    ),
    Claim(
        name="sample-block",
        said="The sample transformer block, with smaller sizes, makes a cheaper language model.",
        source="the article, section 2.2",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="Smaller sizes are cheaper, but the block is no language model: it has no causal mask, so every "
        "position sees the answer, and no positions, so none knows where it is. Trained on tokens that nothing "
        "predicts, one such block reaches {loss} nats where {floor} is the best possible. Shown only the past, as when "
        "it generates, it needs {blind}. Changing the last token moves earlier predictions by up to {moved}.",
        flips="with a causal mask and positions, or where the whole input is known, as in a classifier.",
        evidence=ways.sample_block,
        command=f"{HERE}.ways.sample_block()",
    ),
)

THE_PAPER = (
    Claim(
        name="deep-beats-wide",
        said="Among models of equal size, the deep and thin ones are more accurate than the shallow and wide ones.",
        source=PAPER.format("figure 3 and its comparison of 19 models"),
        verdict=Verdict.HOLDS_WHEN,
        condition="the answer must be composed step by step; on language, here, only against a single layer.",
        finding="The deepest shape beats the shallowest beyond the spread of the seeds in {shells} families on the "
        "shell game, and in {wins} of {families} over all tasks. On English text at 200,000 parameters 1, 2, 4 and 8 "
        "layers need {text_1}, {text_2}, {text_4} and {text_8} bits per byte; eight against two: {compared}. "
        "The paper reports +0.9 points at 125M, without a spread.",
        flips="with the training budget: on the shell game three times the steps widen the lead of eight layers over "
        "one from {gap_short} to {gap_long}. Our language models are small and trained briefly; the paper's see 0.25T "
        "tokens.",
        evidence=roadmap.deep_beats_wide,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="flat-from-24",
        said="At 125M parameters accuracy stops rising at 24 layers: 30 layers are as good.",
        source=PAPER.format("its comparison of 19 models"),
        verdict=Verdict.ONLY_QUOTED,
        finding="Both depths have an average of 44.8 over eight zero-shot tasks. No spread over seeds is given.",
        flips="if the same shapes, trained on the same tokens with several seeds, were apart. That takes a cluster.",
        evidence=None,
    ),
    Claim(
        name="swiglu",
        said="A gated feed-forward layer (SwiGLU) is better than one with ReLU.",
        source=PAPER.format("figure 3"),
        verdict=Verdict.HOLDS,
        finding="On English text at 200,000 parameters and two layers, bits per byte go from {relu} with ReLU to "
        "{swiglu} with SwiGLU at the same number of weights; in brackets the lowest and the highest of three "
        "seeds. The paper reports +1.3 points at 125M.",
        flips="if the order changed with the size, the task or the length of training: we measured one of each.",
        evidence=roadmap.gate,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="tied-embeddings",
        said="One table for input and output saves weights at almost no loss, and they are better spent elsewhere.",
        source=PAPER.format("figure 3 and section 2.2.3"),
        verdict=Verdict.HOLDS,
        finding="At equal size, the saved table spent on width, bits per byte on English text go from {two} with two "
        "tables to {one} with one: {compared}. A second table would be {share} % of an untied MobileLLM-125M. The "
        "paper reports 0.2 points lost for 11.8 % fewer parameters.",
        flips="in a large body: there the table is a small part, and what it saves hardly matters.",
        evidence=roadmap.tied,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="grouped-queries",
        said="Query heads can share keys and values at no loss of quality, if the saving is spent on width.",
        source=PAPER.format("figure 3"),
        verdict=Verdict.HOLDS,
        finding="At equal size, bits per byte on English text are {full} with four key/value heads and {half} with "
        "two: {compared}, with a cache {cache} times smaller. Three seeds would not show a small loss. The paper "
        "reports +0.4 points at 125M.",
        flips="if the loss of sharing grew beyond what the extra width gives back, as it may with a single key/value "
        "head or a long context.",
        evidence=roadmap.grouped,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="layers-twice",
        said="Running every block twice in a row raises accuracy without storing one more weight.",
        source=PAPER.format("figure 3"),
        verdict=Verdict.DOES_NOT_HOLD,
        finding="At our size and after 400 steps it costs quality: bits per byte on English text go from {once} to "
        "{shared}, with {flops} times the arithmetic and {cache} times the cache. The paper reports +1.1 points at "
        "125M.",
        flips="with enough training to use the second pass; the paper trains on 0.25T tokens. We have not measured "
        "where.",
        evidence=roadmap.twice,
        data=("deep_narrow",),
        command=RUNS,
    ),
    Claim(
        name="layers-twice-latency",
        said="Running every block twice costs almost no time on a phone, because its weights are read once.",
        source=PAPER.format("its profile on an iPhone 13"),
        verdict=Verdict.ONLY_QUOTED,
        finding="30 layers take 15.6 ms, the same 30 run twice 16.0 ms, 60 layers of their own 29.0 ms, in 16 bits "
        "with ExecuTorch. By formula the arithmetic of the layers doubles in both: what the time follows is the bytes "
        "of the weights, 1.85 times as many for 60 layers, 1.86 times the time.",
        flips="where arithmetic or starting operations takes the time and not reading weights, as in the tiny models "
        "of this chapter.",
        evidence=None,
    ),
)

CLAIMS = Claims((*ARTICLE, *THE_PAPER))
