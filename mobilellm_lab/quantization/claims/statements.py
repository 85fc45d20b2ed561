"""Chapter 3's claims: what the article says of quantization, restated, each beside what was found here."""

from mobilellm_lab.quantization.claims import flow, promises, qat
from mobilellm_lab.quantization.claims.published import PAPERS
from mobilellm_lab.teaching.claim import Claim, Claims, Verdict

QUALITY, TRAINED = "mobilellm-lab sweep quantization", "mobilellm-lab sweep quantization_qat"
SPEED = "mobilellm-lab sweep quantization_speed"
HERE = "mobilellm_lab.quantization.claims"

ARTICLE = (
    Claim(
        name="four-times-smaller",
        said="Integers of 8 bits in place of floats of 32 make a model four times smaller.",
        source="the article, section 3, and common practice",
        verdict=Verdict.HOLDS_WHEN,
        condition="the embedding table is converted too, and not only the Linears.",
        finding="At the shape of MobileLLM-125M the file shrinks {all} times where the table, {share} % of the model, "
        "is converted, and {linears} times with torch's own dynamic quantization, which leaves it in float32 and "
        "stores the output layer beside it. Gemma 3 270M would shrink {gemma} times that way, by formula. In 4 bits "
        "it is {packed} times with two weights to a byte, and {unpacked} times with one.",
        flips="to *holds* if every converter took every matrix. Look at the file, never at the number of bits.",
        evidence=promises.smaller,
        data=("quantization_speed",),
        command=SPEED,
    ),
    Claim(
        name="int8-is-faster",
        said="Quantizing a model makes it answer faster.",
        source="the article, section 3",
        verdict=Verdict.HOLDS_WHEN,
        condition="the model is large, and its kernel multiplies the integers themselves, with few operations more.",
        finding="Three int8 backends at five sizes: decoding is faster than float32 in {wins} of {cases} cases. At "
        "{small} parameters it is {small_least} to {small_most} times as fast, with up to {more} times as many "
        "operations; at {large} {large_least} to {large_most} times. The best is {best} at {best_size}: "
        "{best_speedup}; in brackets the interval of the pairs. On {machine}.",
        flips="with the size of the model, and with the kernel: what turns weights back into floats for each token "
        "saves bytes on disk and nothing on the way, and what is made for a compiler is slow without one. On a phone, "
        "Llama-3.2-1B writes 2.6 times as fast in 4 bits as in 16, as published for ExecuTorch.",
        evidence=promises.faster,
        data=("quantization_speed",),
        command=SPEED,
    ),
    Claim(
        name="rounding-may-cost",
        said="Quantizing after training is simple, but may cost accuracy.",
        source="the article, section 3.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the bits are few: 3 or fewer on stories, 4 or fewer on text.",
        finding="Rounded to nearest in groups of 32, the loss of the story model rises by {stories_8} nats at 8 bits, "
        "{stories_4} at 4, {stories_3} at 3 and {stories_2} at 2; that of the text model by {text_8}, {text_4}, "
        "{text_3} and {text_2}. In brackets the lowest and the highest of four parts of the test.",
        flips="with the model: one that is hard to please, as a model of real text is, shows a loss earlier.",
        evidence=promises.may_cost_accuracy,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="training-is-better",
        said="Training with quantization in the loop gives more accurate models than quantizing afterwards.",
        source="the article, section 3.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the bits are so few that rounding afterwards loses something.",
        finding="After equally many updates, each at its best rate, it is better beyond the spread of three seeds in "
        "{wins} of {cases} cases. At 2 bits the story model is {stories_qat_2} nats above the float model it came "
        "from, and {stories_float_2} if it is trained in float and then rounded, the better of two ways; the text "
        "model {text_qat_2} and {text_float_2}. At 3 bits it is {stories_qat_3} and {stories_float_3}, {text_qat_3} "
        "and {text_float_3}; at 4 {stories_qat_4} and {stories_float_4}, {text_qat_4} and {text_float_4}; at 8 bits "
        "{stories_qat_8} and {stories_float_8}, {text_qat_8} and {text_float_8}.",
        flips="to *holds* if it won at 8 bits too, where there is nothing to win. A comparison with a model that was "
        "not trained further would be won by the training alone.",
        evidence=qat.trained_is_better,
        data=("quantization_qat",),
        command=TRAINED,
    ),
    Claim(
        name="training-costs-more",
        said="Training with quantization in the loop needs more training resources.",
        source="the article, section 3.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="it is compared with rounding, which needs none.",
        finding="At 2 bits {steps} updates of {batch} sequences win back {back_stories} % of what rounding loses on "
        "stories, and {back_text} % on text. That is {share_stories} and {share_text} % of the sequences that the "
        "models were trained on. It also needs the training data and somebody who runs it.",
        flips="to *holds* if a finished model could not be the start, so that all of its training had to be repeated.",
        evidence=qat.trained_costs_more,
        data=("quantization", "quantization_qat"),
        command=f"{QUALITY} and {TRAINED}",
    ),
    Claim(
        name="calibration-is-essential",
        said="Quantizing after training needs calibration with representative data.",
        source="the article, section 3.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the bits are few and the model is sensitive: here at 3 bits on text.",
        finding="Without any data, weights of 8 bits cost {stories_weights} nats on stories and {text_weights} on "
        "text; activations of 8 bits with a range for each token cost {stories_dynamic} and {text_dynamic}, with a "
        "static range from calibration {stories_static} and {text_static}. At 3 bits data help: GPTQ loses "
        "{text_gptq} on text, AWQ {text_awq}, and rounding without data {text_nearest}; on stories it is "
        "{stories_gptq}, {stories_awq} and {stories_nearest}.",
        flips="in the article's static flow, where it holds by construction: a range that is never measured again has "
        "to be measured once.",
        evidence=promises.calibration_is_essential,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="random-input-will-do",
        said="To calibrate, a random input is enough.",
        source="the article, section 3.1, its sample",
        verdict=Verdict.HOLDS_WHEN,
        condition="only ranges are collected, and the input is one that the model can read.",
        finding="After {sequences} sequences of random tokens, static activations of 8 bits cost "
        "{stories_static_random} nats on stories, after the model's own kind of text {stories_static_own}; on text "
        "{text_static_random} and {text_static_own}. What chooses codes by data does care: GPTQ at 3 bits loses "
        "{text_gptq_random} on text instead of {text_gptq_own}, AWQ {text_awq_random} instead of {text_awq_own}; on "
        "stories {stories_gptq_random} instead of {stories_gptq_own}, and {stories_awq_random} instead of "
        "{stories_awq_own}. In brackets the lowest and the highest of three seeds.",
        flips="where real text makes outliers that random tokens do not. And the sample's own random input is a "
        "picture, which a language model cannot read at all.",
        evidence=promises.random_input_will_do,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="fuse-first",
        said="Fusing modules before quantization is recommended, for speed.",
        source="the article, section 3.1, its sample",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="There is nothing to fuse. torch fuses {kinds} chains of convolutions, linear layers, batch norms and "
        "ReLUs; among the {modules} modules of a small transformer there are {chains}. The function that the sample "
        "names does not exist: `{error}`.",
        flips="for a convolutional network, whose batch norms fold into the convolutions before them. `fuse_modules` "
        "does that.",
        evidence=flow.fusing_helps,
        command=f"{HERE}.flow.fusing_helps()",
    ),
    Claim(
        name="quantize-before-loading",
        said="A quantized model must be fused and quantized before its saved weights are loaded.",
        source="the article, section 3.1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the file holds a state dict of torch's eager flow.",
        finding="A float model refuses that file: `{eager}`. A state dict holds tensors by name and no modules, and "
        "convert has changed the names. A file that says how each matrix was quantized, as this chapter's does, is "
        "loaded in one call.",
        flips="with the format. GGUF, `.pte` and `.tflite` carry their own description, too.",
        evidence=flow.quantize_before_loading,
        command=f"{HERE}.flow.quantize_before_loading()",
    ),
    Claim(
        name="sample-works",
        said="PyTorch's tools quantize a model conveniently, as the sample shows.",
        source="the article, section 3.1",
        verdict=Verdict.DOES_NOT_HOLD,
        finding="On a language model the sample fails in {failures} ways, each provoked anew for this card. With the "
        "embedding: `{embedding}`. Without it: `{linear}`. The interface is deprecated as well, and says that it will "
        "be removed.",
        flips="for one call instead of the flow: torchao's `quantize_`, or `quantize_dynamic`, convert the Linears of "
        "any model. The flow works with a stub around each Linear, as an exercise of this chapter shows.",
        evidence=flow.sample_works,
        command=f"{HERE}.flow.sample_works()",
    ),
)

CLAIMS = Claims((*ARTICLE, *PAPERS))
