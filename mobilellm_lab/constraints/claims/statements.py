"""Chapter 1's claims: what the article and the MobileLLM papers say of a phone's limits, each beside what was found."""

from mobilellm_lab.constraints.claims import article, motivation
from mobilellm_lab.teaching.claim import Claim, Claims, Verdict

DECODED = "mobilellm-lab sweep constraints"
HERE = "mobilellm_lab.constraints.claims"
PAPER = "the MobileLLM paper, {}, arXiv 2402.14905"

ARTICLE = (
    Claim(
        name="too-little-arithmetic",
        said="A phone's processors compute far less than a server's, too little for large matrix products.",
        source="the article, section 1",
        verdict=Verdict.HOLDS_WHEN,
        condition="a prompt is read; not while the answer is written.",
        finding="On one phone, a Galaxy S24 Ultra, with the same 4-bit model of 1B parameters, the graphics unit "
        "reads a prompt {prefill} times as fast as the processor and writes the answer {decode} times as fast, as its "
        "runtime's authors report. Reading takes many tokens at once and is limited by arithmetic. Writing takes one, "
        "reads every weight for it, and is limited by memory, which both share.",
        flips="with many sequences at once: a batch reads the weights once for all of them, until arithmetic binds "
        "again. A phone writes for one user.",
        evidence=article.arithmetic,
        command=f"{HERE}.article.arithmetic()",
    ),
    Claim(
        name="too-little-memory",
        said="A phone's memory cannot hold the parameters of a large model.",
        source="the article, section 1",
        verdict=Verdict.HOLDS,
        finding="The weights of 7B parameters take {widest} GiB in 16 bits and {narrowest} GiB in 4. A share of "
        "{share} % of the memory, as the MobileLLM paper plans, is {most} GiB at most on the {phones} phones of this "
        "chapter. In 16 bits MobileLLM-1B fits into it on {fit_16} of them, in 4 bits on {fit_4}.",
        flips="with the share. The whole memory of {whole} of these phones is larger than the 4-bit weights, as long "
        "as nothing else runs.",
        evidence=article.memory,
        command=f"{HERE}.article.memory()",
    ),
    Claim(
        name="heats-and-drains",
        said="Power is limited: long inference makes a phone hot and empties its battery.",
        source="the article, section 1; measured by arXiv 2603.23640, first version",
        verdict=Verdict.ONLY_QUOTED,
        finding="In twenty runs one after another, a 1.5B model in 4 bits on an iPhone 16 Pro falls from 40.35 to "
        "22.56 tokens/s as the phone gets hot, 44 % less, and takes 10 % of the battery. A Galaxy S24 Ultra stops in "
        "the sixth run. The second version of the report has 40.49, 23.67 and 5 %, and a phone that slows down but "
        "goes on.",
        flips="where the device draws little enough to stay cool: in the same report a Raspberry Pi 5 with an "
        "accelerator keeps its 6.9 tokens/s at 1.87 W.",
        evidence=None,
    ),
    Claim(
        name="answers-late",
        said="Apps must answer quickly, and a phone makes that hard.",
        source="the article, section 1",
        verdict=Verdict.HOLDS_WHEN,
        condition="the prompt is long and the processor reads it.",
        finding="Before the first word of an answer the whole prompt is read. At the rates that are published for "
        "models of 1B on two phones, 1,000 tokens take {shortest} to {longest} s, more than a second in {late} of "
        "{rows} rows.",
        flips="with a graphics unit, a short prompt, or one whose cache was kept from the last turn.",
        evidence=article.answers_late,
        command=f"{HERE}.article.answers_late()",
    ),
    Claim(
        name="smaller-is-faster",
        said="Fewer parameters make inference faster on a small device.",
        source="the article, section 8",
        verdict=Verdict.HOLDS,
        finding="The smaller of two neighbouring sizes decodes faster in {won} of {pairs} pairs of stored settings. "
        "But not in proportion: the smallest model has {tiny_weights} times fewer weights than the next and is "
        "{tiny_time} times faster, since starting its operations takes the time. Between the two largest, "
        "{large_weights} times fewer weights give {large_time} times the speed.",
        flips="if starting operations took all of the time in both. Then the number of layers decides, not that of "
        "weights.",
        evidence=article.smaller_is_faster,
        data=("constraints",),
        command=DECODED,
    ),
)

THE_PAPER = (
    Claim(
        name="a-tenth-of-memory",
        said="An app on a phone should take less than a tenth of its DRAM.",
        source=PAPER.format("introduction"),
        verdict=Verdict.ONLY_QUOTED,
        finding="A rule of thumb, and no measurement is given for it. With 6 GB in an iPhone 15 and 12 GB in a Pixel 8 "
        "Pro, as the paper has them, it leaves 0.6 and 1.2 GB. The budget lines of this course use it.",
        flips="with whatever the phone's system allows an app to use. That differs by system and model, and it can be "
        "asked for at run time.",
        evidence=None,
    ),
    Claim(
        name="under-two-hours",
        said="A full phone of 50 kJ talks for less than two hours with a 7B model, at ten tokens per second.",
        source=PAPER.format("introduction"),
        verdict=Verdict.HOLDS,
        finding="At 0.1 J for each token and billion parameters, {joules} J a token, it is {hours} hours, if nothing "
        "else draws current.",
        flips="with the energy per token. The measured values that we found would give {least} to {most} hours.",
        evidence=motivation.under_two_hours,
        command=f"{HERE}.motivation.under_two_hours()",
    ),
    Claim(
        name="a-fifth-of-a-percent",
        said="Every 64 tokens of a 7B model drain 0.2 % of that battery.",
        source=PAPER.format("introduction"),
        verdict=Verdict.DOES_NOT_HOLD,
        finding="By the paper's own numbers 64 tokens take {spent} J, which is {drained} % of 50 kJ. It is a slip: "
        "the two hours beside it are right. One of the exercises finds it.",
        flips="with {tokens} tokens instead of 64, or with more than twice the energy per token.",
        evidence=motivation.a_fifth_of_a_percent,
        command=f"{HERE}.motivation.a_fifth_of_a_percent()",
    ),
    Claim(
        name="a-day",
        said="A 350M model in 8 bits can talk for a whole day on one charge.",
        source=PAPER.format("introduction"),
        verdict=Verdict.HOLDS,
        finding="At {joules} J a token and ten tokens per second 50 kJ last {hours} hours, if nothing else draws "
        "current.",
        flips="with the energy per token: at the highest measured value that we found, {highest} J per billion "
        "parameters, it is {worst} hours. A lit screen takes its own share.",
        evidence=motivation.a_day,
        command=f"{HERE}.motivation.a_day()",
    ),
    Claim(
        name="a-tenth-of-a-joule",
        said="A token takes about 0.1 J for each billion parameters.",
        source=PAPER.format("introduction"),
        verdict=Verdict.HOLDS_WHEN,
        condition="the runtime is among the most sparing that were measured.",
        finding="Of {rows} measurements by others, on phones and with 4-bit weights mostly, {low} are that low. They "
        "range from {least} to {most} J for each token and billion parameters; some are of a whole phone, others of "
        "its chip.",
        flips="to *holds* if all runtimes were that sparing, and to *does not hold* if none was. Both chips and "
        "runtimes change from year to year.",
        evidence=motivation.a_tenth_of_a_joule,
        command=f"{HERE}.motivation.a_tenth_of_a_joule()",
    ),
    Claim(
        name="one-block",
        said="The 20 MB of fast memory that an app can use hold about one transformer block.",
        source=PAPER.format("introduction and section on layer sharing"),
        verdict=Verdict.HOLDS_WHEN,
        condition="the model is one of the two smallest, or its weights have 8 bits.",
        finding="One block takes {smallest} MB in MobileLLM-125M and {largest} MB in MobileLLM-1B, in 16 bits. In 16 "
        "bits it fits in {fit_16} of {models} models, in 8 bits in {fit_8}.",
        flips="with narrower layers or fewer bits. Deep and narrow models have small blocks, which is why running a "
        "block twice in a row is cheap.",
        evidence=motivation.one_block,
        command=f"{HERE}.motivation.one_block()",
    ),
    Claim(
        name="time-follows-bytes",
        said="Running each block twice in a row costs hardly any time on a phone; as many blocks of their own cost "
        "almost double.",
        source=PAPER.format("its profile on an iPhone 13"),
        verdict=Verdict.HOLDS,
        finding="If the time is that of reading the weights, 30 blocks in {base} ms, as reported, mean {speed} GB/s. "
        "From that alone follow {twice} ms for the same blocks run twice, where {twice_printed} were measured, and "
        "{sixty} ms for 60 blocks of their own, where {sixty_printed} were measured.",
        flips="where arithmetic or starting operations takes the time: then the second run costs as much as the first.",
        evidence=motivation.time_follows_bytes,
        command=f"{HERE}.motivation.time_follows_bytes()",
    ),
    Claim(
        name="fifty-against-six",
        said="A model of 125M parameters writes 50 tokens/s on a phone, where one of 7B manages 3 to 6.",
        source=PAPER.format("introduction"),
        verdict=Verdict.HOLDS,
        finding="Reading at {speed} GB/s, as in the profile above, allows {small} tokens/s for the small one in 16 "
        "bits, and {large} for the large one with {bits} bits a weight, which is our assumption. The paper names "
        "neither the bits nor the phone of the large one.",
        flips="with the rate at which a phone reads: three times the rate is three times both speeds.",
        evidence=motivation.fifty_against_six,
        command=f"{HERE}.motivation.fifty_against_six()",
    ),
    Claim(
        name="moving-weights",
        said="On a device it is moving the weights that takes the time, not computing with them.",
        source=PAPER.format("section on layer sharing"),
        verdict=Verdict.HOLDS,
        finding="A batch of {batch} computes {batch} times as much with weights that are read once. On one core here, "
        "the {models} larger models decode {least} to {most} times as many tokens/s with it as with one sequence.",
        flips="when the batch is large enough: then arithmetic binds, and more sequences bring no more speed.",
        evidence=motivation.moving_weights,
        data=("constraints",),
        command=DECODED,
    ),
    Claim(
        name="local-layers",
        said="Letting most layers look back only 512 positions shrinks the cache from 117 to 40 MB.",
        source="MobileLLM-Pro, model card and arXiv 2511.06719",
        verdict=Verdict.HOLDS,
        finding="With 8-bit values and {context} tokens, {layers} global layers keep {full} MiB; if {local} of them "
        "are local, {mixed} MiB. That is what is printed, if an MB has 2**20 bytes.",
        flips="in short conversations: up to {window} tokens both caches are the same.",
        evidence=motivation.local_layers,
        command=f"{HERE}.motivation.local_layers()",
    ),
)

CLAIMS = Claims((*ARTICLE, *THE_PAPER))
