"""Claims at sizes that we do not measure, as their papers report them"""

from mobilellm_lab.teaching.claim import Claim, Verdict

FOUR_BITS_ARE_FREE = Claim(
    name="four-bits-are-free",
    said="Rounding a model of a billion parameters to 4 bits is free.",
    source="common practice; against it ExecuTorch, https://github.com/pytorch/executorch",
    verdict=Verdict.ONLY_QUOTED,
    line="ExecuTorch calls Llama 3.2 sensitive to RTN, and offers SpinQuant or QAT",
    finding="Its notes on Llama 3.2 call the models of 1B and 3B sensitive to what RTN costs, and offer "
    "SpinQuant or QAT instead.",
    flips="with the size of the model, since in a smaller one each weight has to carry more.",
)


TRAINED_FOUR_BITS = Claim(
    name="trained-four-bits",
    said="After QAT, a model of a billion parameters loses little in 4 bits.",
    source="the MobileLLM-Pro report, arXiv 2511.06719",
    verdict=Verdict.ONLY_QUOTED,
    line="MobileLLM-Pro loses less than 1.3 % in 4 bits",
    finding="MobileLLM-Pro, 1.08 billion parameters, loses less than 1.3 % in 4 bits. Its weights lie in groups of 32, "
    "its activations and cache have 8 bits.",
    flips="if rounding afterwards did as well. At our size that is the claim on training above.",
)


ROTATION_TO_FOUR_BITS = Claim(
    name="rotation-to-four-bits",
    said="With learned rotations even activations and cache can have 4 bits.",
    source="SpinQuant, arXiv 2405.16406",
    verdict=Verdict.ONLY_QUOTED,
    line="LLaMA-2-7B loses 2.9 points with weights, activations and cache in 4 bits",
    finding="LLaMA-2-7B with weights, activations and cache in 4 bits is 2.9 points below the model in 16 bits.",
    flips="if the gap were larger in small models, which have less to spare. We learn no rotations.",
)

CLAIMS = (FOUR_BITS_ARE_FREE, TRAINED_FOUR_BITS, ROTATION_TO_FOUR_BITS)
