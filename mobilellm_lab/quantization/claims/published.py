"""Claims of papers at sizes that are not measured here: only quoted"""

from mobilellm_lab.teaching.claim import Claim, Verdict

FOUR_BITS_ARE_FREE = Claim(
    name="four-bits-are-free",
    said="Rounding a model of a billion parameters to 4 bits is free.",
    source="common practice; against it ExecuTorch, https://github.com/pytorch/executorch",
    verdict=Verdict.ONLY_QUOTED,
    finding="Its notes on Llama 3.2 call the models of 1B and 3B sensitive to what plain rounding costs, and offer "
    "SpinQuant or QAT instead.",
    flips="with the size of the model: the smaller it is, the more each weight has to carry.",
)


TRAINED_FOUR_BITS = Claim(
    name="trained-four-bits",
    said="After QAT, a model of a billion parameters loses little in 4 bits.",
    source="the MobileLLM-Pro report, arXiv 2511.06719",
    verdict=Verdict.ONLY_QUOTED,
    finding="MobileLLM-Pro, 1.08 billion parameters, loses less than 1.3 % in 4 bits, with weights in groups of 32, "
    "and activations and cache of 8 bits.",
    flips="if rounding afterwards did as well. At our size that is the claim on training above.",
)


CLAIMS = (FOUR_BITS_ARE_FREE, TRAINED_FOUR_BITS)
