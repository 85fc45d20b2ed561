"""ParetoQ's table, as printed: whole, and with the trend that the chapter reads off it."""

from mobilellm_lab.quantization.study.paretoq import BITS, PARETOQ, ROUNDED, SOURCE


def test_every_size_has_every_number_of_bits():
    sizes = list(dict.fromkeys(row.model for row in PARETOQ))
    assert sizes == ["125M", "350M", "600M", "1B"]
    assert [(row.model, row.bits) for row in PARETOQ] == [(size, bits) for size in sizes for bits in BITS]
    assert "2502.02631" in SOURCE


def test_some_numbers_as_printed():
    table = {(row.model, row.bits): (row.accuracy, row.perplexity) for row in PARETOQ}
    assert table["125M", 16] == (48.5, 15.1) and table["125M", 1] == (43.7, 25.8)
    assert table["600M", 1.58] == (55.5, 11.5) and table["1B", 2] == (61.0, 9.2)


def test_below_four_bits_fewer_bits_are_worse_and_rounding_alone_is_hopeless():
    for size in ("125M", "350M", "600M", "1B"):
        rows = [row for row in PARETOQ if row.model == size and row.bits <= 4]
        perplexities = [row.perplexity for row in rows]
        assert perplexities == sorted(perplexities)
    trained = next(row for row in PARETOQ if (row.model, row.bits) == (ROUNDED.model, ROUNDED.bits))
    assert ROUNDED.perplexity > 1e4 * trained.perplexity
