"""What papers and common opinion say of few bits, each beside what was found here, or only quoted"""

from mobilellm_lab.quantization.claims import activations, methods, outliers, qat, shapes
from mobilellm_lab.teaching.claim import Claim, Verdict

QUALITY, TRAINED = "mobilellm-lab sweep quantization", "mobilellm-lab sweep quantization_qat"
PARETOQ = "ParetoQ, arXiv 2502.02631"

PAPERS = (
    Claim(
        name="w8a8",
        said="With 8 bits for weights and activations, rounded after training, less than half a point is lost.",
        source="the MobileLLM paper, its section on quantization, arXiv 2402.14905",
        verdict=Verdict.HOLDS,
        finding="A scale for each row of weights and for each token: of accuracy, {stories_deep} and {stories_wide} "
        "points are lost on two-hop questions (deep and wide), {text_deep} and {text_wide} on the next byte. Below "
        "zero is a gain. The paper reports gaps of 0.0 to 0.4 points.",
        flips="if some channels were far larger than the rest, as in models of billions of parameters.",
        evidence=activations.eight_bits_each,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="ternary-collapses",
        said="With three values for a weight, rounding to nearest collapses.",
        source=f"{PARETOQ}, its table",
        verdict=Verdict.HOLDS,
        finding="The perplexity is {stories} times the float model's on stories, and {text} times on text. The paper "
        "reports 37.6 points and a perplexity of 660,000 for a model of 600M, where training reaches 55.5 points.",
        flips="if models were trained so that their weights lie near three values, which is what training with the "
        "grid does.",
        evidence=qat.collapses,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="training-survives",
        said="Where rounding collapses, training with the grid still works, down to a single bit.",
        source=f"{PARETOQ}, its table",
        verdict=Verdict.HOLDS,
        finding="After {steps} updates, in nats above the float model: at 2 bits {stories_qat_2} where rounding loses "
        "{stories_rtn_2} on stories, and {text_qat_2} where it loses {text_rtn_2} on text; at three values "
        "{stories_qat_1_58} instead of {stories_rtn_1_58}, and {text_qat_1_58} instead of {text_rtn_1_58}; at one bit "
        "{stories_qat_1} instead of {stories_rtn_1}, and {text_qat_1} instead of {text_rtn_1}. The paper's 125M model "
        "goes from 48.5 points in 16 bits to 47.1, 46.5 and 43.7.",
        flips="if so short a training could not win back half, as may be so in a large model of which every weight is "
        "needed.",
        evidence=qat.trained_survives,
        data=("quantization", "quantization_qat"),
        command=f"{QUALITY} and {TRAINED}",
    ),
    Claim(
        name="four-bits-are-no-worse",
        said="Trained with the grid, models of 4 bits are as good as those of 16.",
        source=f"{PARETOQ}, its table",
        verdict=Verdict.HOLDS,
        finding="In nats above the float model that all start from: on stories {stories_qat} in 4 bits and "
        "{stories_float} after the same training in float, {stories_after} if that is rounded; on text {text_qat}, "
        "{text_float} and {text_after}. The paper reports a mean accuracy of 48.5 in 16 and 48.7 in 4 bits at 125M, "
        "62.1 and 62.5 at 1B; its 4-bit models have seen more training than those of 16 bits, ours have not.",
        flips="if 4 bits took more than so few updates could win back. Then the question is how many.",
        evidence=qat.four_bits_are_enough,
        data=("quantization_qat",),
        command=TRAINED,
    ),
    Claim(
        name="learned-step",
        said="At 2 bits, steps of the grid that are learned with the weights are better than steps that follow the "
        "largest weights.",
        source="LSQ, arXiv 1902.08153",
        verdict=Verdict.HOLDS,
        finding="In nats above the float model: {stories_learned} with learned steps and {stories_fitted} with fitted "
        "ones on stories, {text_learned} and {text_fitted} on text. The learned ones start from cut ranges, so a part "
        "of the gain may be that of cutting.",
        flips="at many bits, where a fitted step loses nothing.",
        evidence=qat.learned_step_is_better,
        data=("quantization_qat",),
        command=TRAINED,
    ),
    Claim(
        name="gptq",
        said="At 3 bits, choosing codes so that later ones make up for the errors of earlier ones beats rounding.",
        source="GPTQ, arXiv 2210.17323",
        verdict=Verdict.HOLDS,
        finding="All three seeds lose less than plain rounding in {wins_rtn} of {cases} cases, and less than rounding "
        "with cut ranges in {wins_mse}. With a scale per row {stories_rows} nats on stories, where plain rounding "
        "loses {stories_rows_rtn} and cut ranges {stories_rows_mse}; {text_rows} on text, against {text_rows_rtn} and "
        "{text_rows_mse}. In groups of 32 {stories_groups} against {stories_groups_rtn} and {stories_groups_mse}, and "
        "{text_groups} against {text_groups_rtn} and {text_groups_mse}.",
        flips="where the calibration data are of another kind, or the bits so many that nothing is to be gained. Part "
        "of the gain comes from cutting the ranges, which needs no data.",
        evidence=methods.compensates,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="awq",
        said="At 3 bits, protecting the weights whose inputs are large beats rounding all alike.",
        source="AWQ, arXiv 2306.00978",
        verdict=Verdict.HOLDS_WHEN,
        condition="it is compared with ranges that hold every weight.",
        finding="All three seeds lose less than plain rounding in {wins_rtn} of {cases} cases, but less than rounding "
        "with cut ranges, which needs no data, in {wins_mse}. With a scale per row {stories_rows} nats on "
        "stories, where plain rounding loses {stories_rows_rtn} and cut ranges {stories_rows_mse}; {text_rows} on "
        "text, against {text_rows_rtn} and {text_rows_mse}. In groups of 32 {stories_groups} against "
        "{stories_groups_rtn} and {stories_groups_mse}, and {text_groups} against {text_groups_rtn} and "
        "{text_groups_mse}.",
        flips="to *holds* with inputs that differ more in size from channel to channel, as those of large models do.",
        evidence=methods.scales,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="mixed-precision",
        said="Bits of its own for each matrix are better than the same bits for all, at the same number of bytes.",
        source="HAWQ, arXiv 1905.03696, and common practice",
        verdict=Verdict.HOLDS_WHEN,
        condition="the same bits for all lose something.",
        finding="At the bytes of 3 bits everywhere the loss is {stories_mixed_3} nats above float instead of "
        "{stories_uniform_3} on stories, and {text_mixed_3} instead of {text_uniform_3} on text; at those of 4 bits "
        "{stories_mixed_4} instead of {stories_uniform_4}, and {text_mixed_4} instead of {text_uniform_4}. In brackets "
        "the lowest and the highest of four parts of the test.",
        flips="to *does not hold* if all matrices were equally sensitive, or if the loss of many together were far "
        "from the sum of what each costs alone, on which the choice is made.",
        evidence=methods.mixed_is_better,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="rows-survive-outliers",
        said="A scale for each row survives the large weights that ruin one scale for the matrix.",
        source="common practice",
        verdict=Verdict.HOLDS,
        finding="In 4 bits, with four rows of every query head {factor} times as large, four of every key head as much "
        "smaller, and the same answers in float: the loss rises by {stories_matrix} nats with one scale for the matrix "
        "and {stories_rows} with one per row on stories, {text_matrix} and {text_rows} on text. Before, it was "
        "{stories_matrix_before} and {stories_rows_before}, {text_matrix_before} and {text_rows_before}.",
        flips="if the large weights lay in a column: then every row would have one. Groups help there, or a rotation.",
        evidence=outliers.rows_survive,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="rotation-cures-outliers",
        said="Turning activations by a Hadamard matrix takes the outliers out of them.",
        source="QuaRot, arXiv 2404.00456",
        verdict=Verdict.HOLDS_WHEN,
        condition="there are outliers, and they hurt.",
        finding="With four channels before each last matrix that are {factor} times as large, activations of 8 bits "
        "with static ranges cost {stories_static} nats on stories, and turned {stories_static_rotated}; {text_static} "
        "and {text_static_rotated} on text. With a range per token it is {stories_dynamic} and "
        "{stories_dynamic_rotated}, {text_dynamic} and {text_dynamic_rotated}. All seeds gain in {wins} of {cases} "
        "cases with outliers, and in {plain_wins} of {plain} without. Weights in which nothing sticks out may even "
        "lose: per row in 4 bits, text costs {weights} nats, and turned {weights_rotated}.",
        flips="to *does not hold* for a model of which nothing sticks out, such as ours before outliers are planted. "
        "Models of billions of parameters have them by themselves.",
        evidence=outliers.rotation_cures,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="rotation-to-four-bits",
        said="With learned rotations even activations and cache can have 4 bits.",
        source="SpinQuant, arXiv 2405.16406",
        verdict=Verdict.ONLY_QUOTED,
        finding="LLaMA-2-7B with weights, activations and cache in 4 bits is 2.9 points below the model in 16 bits.",
        flips="if the gap were larger in small models, which have less to spare. We learn no rotations.",
        evidence=None,
    ),
    Claim(
        name="cache-in-eight-bits",
        said="The KV cache can have 8 bits at no loss.",
        source="the MobileLLM-Pro report, arXiv 2511.06719, which runs with such a cache",
        verdict=Verdict.HOLDS,
        finding="With every position reading a cache of 8 bits, at least {times} times smaller, the loss rises by "
        "{stories_deep} and {stories_wide} nats on stories (deep and wide), {text_deep} and {text_wide} on text; in "
        "brackets the lowest and the highest of four parts of the test.",
        flips="if keys had channels that are far larger than the rest, in a longer context than our models know.",
        evidence=activations.eight_bits_of_cache,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="cache-in-four-bits",
        said="The KV cache can have 4 bits at almost no loss.",
        source="common practice; QuaRot, arXiv 2404.00456, and SpinQuant, arXiv 2405.16406, turn keys and values first",
        verdict=Verdict.HOLDS_WHEN,
        condition="the model is not sensitive: on stories, not on text.",
        finding="At least {times} times smaller, it costs {stories_deep} and {stories_wide} nats on stories (deep and "
        "wide), {text_deep} and {text_wide} on text.",
        flips="where the newest keys wait in float: on text, at {context} positions, that costs {delayed} nats instead "
        "of {position}, and {channel} with a scale per channel besides, in {more} times the bytes. We turn nothing.",
        evidence=activations.four_bits_of_cache,
        data=("quantization",),
        command=QUALITY,
    ),
    Claim(
        name="deep-is-fragile",
        said="A deep and narrow model suffers more from quantization than a shallow and wide one.",
        source="common belief: errors add up from layer to layer",
        verdict=Verdict.HOLDS_WHEN,
        condition="the task is text, or the bits are 2; on stories at 3 bits and on the shell game it cannot be told.",
        finding="The deep model loses more in {wins} of {cases} cases. {deep} layers against {wide} of equal size, in "
        "groups of 32: at 3 bits {text_deep_3} and {text_wide_3} nats on text, {stories_deep_3} and {stories_wide_3} "
        "on stories; at 2 bits {text_deep_2} and {text_wide_2}, {stories_deep_2} and {stories_wide_2}; trained with "
        "the grid at 2 bits {text_deep_trained} and {text_wide_trained}, {stories_deep_trained} and "
        "{stories_wide_trained}. Each of them started from one training. On the shell game, eight layers against two: "
        "{shells_deep_3} and {shells_wide_3} at 3 bits, {shells_deep_2} and {shells_wide_2} at 2, where three "
        "trainings of one shape differ more than the two shapes.",
        flips="with more trainings of each shape, which would tell luck from shape. Errors do add up: at 3 bits and "
        "at 2, all matrices together lose more than the sum of what each loses alone. But a deep model has no more "
        "weights than a wide one.",
        evidence=shapes.deep_is_fragile,
        data=("quantization", "quantization_qat"),
        command=f"{QUALITY} and {TRAINED}",
    ),
    Claim(
        name="four-bits-are-free",
        said="Rounding a model of a billion parameters to 4 bits is free.",
        source="common practice; against it ExecuTorch, https://github.com/pytorch/executorch",
        verdict=Verdict.ONLY_QUOTED,
        finding="Its notes on Llama 3.2 call the models of 1B and 3B sensitive to what plain rounding costs, and offer "
        "SpinQuant or training with the grid instead.",
        flips="with the size of the model: the smaller it is, the more each weight has to carry.",
        evidence=None,
    ),
    Claim(
        name="trained-four-bits",
        said="Trained with the grid, a model of a billion parameters loses little in 4 bits.",
        source="the MobileLLM-Pro report, arXiv 2511.06719",
        verdict=Verdict.ONLY_QUOTED,
        finding="MobileLLM-Pro, 1.08 billion parameters, loses less than 1.3 % in 4 bits, with weights in groups of "
        "32, and activations and cache of 8 bits.",
        flips="if rounding afterwards did as well. At our size that is the claim on training above.",
        evidence=None,
    ),
)
