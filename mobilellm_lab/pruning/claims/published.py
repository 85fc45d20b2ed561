"""Claims at sizes that we do not measure, as their papers report them"""

from mobilellm_lab.teaching.claim import Claim, Verdict

PATTERN_COSTS = Claim(
    name="pattern-costs",
    said="A 2:4 pattern, which some GPUs compute faster, costs hardly more than any half of the weights.",
    source="against it Wanda's tables, https://github.com/locuslab/wanda",
    verdict=Verdict.ONLY_QUOTED,
    line="LLaMA-2-7B by Wanda: perplexity 6.4 without a pattern, 11.0 with it",
    finding="LLaMA-2-7B has a perplexity of 5.1. With half of its weights removed by Wanda it has 6.4. In the pattern "
    "it has 11.0. By magnitude the two are 14.9 and 54.6.",
    flips="with recovery. At our size the page measures it.",
)

FEWER_TOKENS = Claim(
    name="fewer-tokens",
    said="Pruning a large model and training it again is cheaper than training a small one.",
    source="Minitron, arXiv 2407.14679",
    verdict=Verdict.ONLY_QUOTED,
    line="Two models from a larger one take up to 40 times fewer training tokens",
    finding="Models of 8B and 4B parameters were pruned from one of 15B and distilled. That took up to 40 times fewer "
    "training tokens than training each from random weights.",
    flips="if the large model had to be trained for that alone. Its own training is on nobody's account.",
)

LAYERS_GO = Claim(
    name="layers-go",
    said="A fifth of the layers of a small language model can go, and training brings it back.",
    source="a model made of Gemma 3 270M, https://huggingface.co/oopere/gemma-3-270m-14L-distilled",
    verdict=Verdict.ONLY_QUOTED,
    line="Distillation gives Gemma 3 270M its perplexity back, but not its right answers",
    finding="Four of its 18 layers are removed. Perplexity rises from 12.9 to 120.7, and distillation brings it to "
    "10.9. On five benchmarks it falls from 52.5 to 41.3 % right answers. Distillation brings it to 47.3 %.",
    flips="with more training. Perplexity on the text of the recovery says least about what was lost.",
)

CLAIMS = (PATTERN_COSTS, FEWER_TOKENS, LAYERS_GO)
