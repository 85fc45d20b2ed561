"""Device cards: phones, a watch, a board and a laptop, each number with its source"""

from mobilellm_lab.choices import advice
from mobilellm_lab.constraints.cards import Device, Value, card, known, unknown

# Makers of phones rarely print bandwidth, and never the energy of a battery: most numbers come from second hand, and
# say so. A battery given in mAh alone has no energy without its voltage: unknown.
_FLAGSHIPS = "tables of 2025 flagship phone chips, two sources in agreement"
_PAPER = "MobileLLM, arXiv 2402.14905, introduction"


def _told(value: int | float, unit: str, source: str) -> Value:
    return known(value, unit, "secondary", source)


def _plan(value: int | float, unit: str) -> Value:
    return known(value, unit, "budget", "a round number in a watch's order of magnitude, to calculate with")


# One chip, two phones on these cards. The width of its bus was not found; later chips of its class all have this one.
_GEN_3 = dict(
    data_rate_mt_s=_told(9600, "MT/s", "droidholic.com and io-tech.fi: LPDDR5X at up to 4800 MHz"),
    bus_bits=_told(64, "bit", f"4 x 16, as in the {_FLAGSHIPS}; this chip's own width was not found"),
    peak_gop_s=unknown("Gop/s", "sources disagree: 45 or 98 TOPS"),
    cache_mib=_told(12, "MiB", "laitimes.com: level 3 of the processor cores"),
)

_CARDS = (
    card(
        "iPhone 13",
        "phone",
        2021,
        "Apple A15",
        memory_gib=_told(4, "GiB", "MacRumors, 2021-09-15, from strings in Xcode 13"),
        data_rate_mt_s=_told(4266, "MT/s", "askgeek.io and Angstronomics: LPDDR4X-4266"),
        bandwidth_gb_s=_told(34.1, "GB/s", "askgeek.io and cpu-monkey.com"),
        peak_gop_s=_told(15_800, "Gop/s", "neural engine, 15.8 TOPS, cpu-monkey.com"),
        peak_type="not stated",
        cache_mib=_told(32, "MiB", "system level cache, Angstronomics, 2022"),
        battery_wh=_told(12.54, "Wh", "iFixit's teardown, as reported"),
    ),
    card(
        "iPhone 15",
        "phone",
        2023,
        "Apple A16",
        memory_gib=_told(6, "GiB", _PAPER),
        data_rate_mt_s=_told(6400, "MT/s", "askgeek.io and Angstronomics: LPDDR5-6400"),
        bus_bits=_told(64, "bit", "cputronic.com: 4 x 16"),
        peak_gop_s=_told(17_000, "Gop/s", "neural engine, 17 TOPS, cpu-monkey.com"),
        peak_type="not stated",
        cache_mib=_told(24, "MiB", "system level cache, Angstronomics, 2022"),
        battery_wh=_told(12.98, "Wh", "iFixit's teardown, as reported"),
    ),
    card(
        "iPhone 16 Pro",
        "phone",
        2024,
        "Apple A18 Pro",
        bandwidth_gb_s=unknown("GB/s", "Apple says 17 % more than the A17 Pro, whose number was not found"),
        peak_gop_s=_told(35_000, "Gop/s", "neural engine, 35 TOPS, notebookcheck.com"),
        peak_type="not stated",
        battery_wh=_told(13.94, "Wh", "iFixit's teardown, as reported"),
    ),
    card(
        "iPhone 17 Pro",
        "phone",
        2025,
        "Apple A19 Pro",
        memory_gib=_told(12, "GiB", _FLAGSHIPS),
        data_rate_mt_s=_told(9600, "MT/s", f"{_FLAGSHIPS}: LPDDR5X-9600"),
        bus_bits=_told(64, "bit", f"{_FLAGSHIPS}: 4 x 16"),
        cache_mib=_told(24, "MiB", f"system level cache, about; {_FLAGSHIPS}"),
    ),
    card(
        "Pixel 6",
        "phone",
        2021,
        "Google Tensor",
        memory_gib=_told(8, "GiB", "phoneworld.com.pk, 2021-10-20"),
        data_rate_mt_s=_told(6400, "MT/s", "cputronic.com: LPDDR5 at 3200 MHz"),
        bus_bits=_told(64, "bit", "cputronic.com: 4 x 16"),
        peak_gop_s=_told(2_170.9, "Gop/s", "graphics processor, cputronic.com"),
        peak_type="not stated",
        battery_wh=unknown("Wh", "4,614 mAh, voltage not found"),
    ),
    card(
        "Pixel 8 Pro",
        "phone",
        2023,
        "Google Tensor G3",
        memory_gib=_told(12, "GiB", _PAPER),
        battery_wh=unknown("Wh", "given in mAh, voltage not found"),
    ),
    card(
        "OnePlus 12",
        "phone",
        2023,
        "Snapdragon 8 Gen 3",
        memory_gib=_told(12, "GiB", "the smallest variant of its launch, Ars Technica, 2023-12, as reported"),
        battery_wh=unknown("Wh", "5,400 mAh, voltage not found"),
        **_GEN_3,
    ),
    card(
        "Galaxy S24 Ultra",
        "phone",
        2024,
        "Snapdragon 8 Gen 3",
        memory_gib=unknown("GiB", "only rumours before its launch were found"),
        battery_wh=unknown("Wh", "5,000 mAh, voltage not found"),
        **_GEN_3,
    ),
    card(
        "Xiaomi 17",
        "phone",
        2025,
        "Snapdragon 8 Elite Gen 5",
        bandwidth_gb_s=_told(84.8, "GB/s", "table of 2025 flagship phone chips"),
    ),
    card(
        "Galaxy A54",
        "phone",
        2023,
        "Exynos 1380",
        memory_gib=_told(6, "GiB", "the middle one of its three variants, sammobile.com"),
        bandwidth_gb_s=unknown("GB/s", "LPDDR4X, rate and width not found"),
        peak_gop_s=_told(4_900, "Gop/s", "AI engine, 4.9 TOPS, PhoneArena, 2023-02-24"),
        peak_type="not stated",
    ),
    card(
        "mid-range phone of 2020",
        "phone",
        2020,
        "Snapdragon 768G",
        memory_gib=unknown("GiB", "the chip takes up to 12 GiB"),
        data_rate_mt_s=_told(4266, "MT/s", "nanoreview.net: LPDDR4X at 2133 MHz"),
        bus_bits=_told(32, "bit", "nanoreview.net: 2 x 16"),
        peak_gop_s=_told(720, "Gop/s", "graphics processor, nanoreview.net"),
        peak_type="not stated",
    ),
    card(
        "mid-range phone of 2016",
        "phone",
        2016,
        "Snapdragon 625",
        memory_gib=unknown("GiB", "the chip takes up to 8 GiB"),
        data_rate_mt_s=_told(1866, "MT/s", "nanoreview.net: LPDDR3 at 933 MHz"),
        bus_bits=_told(32, "bit", "nanoreview.net: 1 x 32"),
        peak_gop_s=_told(124, "Gop/s", "graphics processor, nanoreview.net"),
        peak_type="not stated",
    ),
    card(
        "Pixel Watch 2",
        "watch",
        2023,
        "Snapdragon W5 Gen 1",
        memory_gib=_told(2, "GiB", "Wikipedia, Pixel Watch 2"),
        data_rate_mt_s=_told(4266, "MT/s", "cnx-software.com, 2022-07-20: LPDDR4 at up to 2133 MHz"),
        bus_bits=_told(16, "bit", "cnx-software.com, 2022-07-20"),
        battery_wh=unknown("Wh", "306 mAh, voltage not found"),
    ),
    card(
        "watch-class budget",
        "watch",
        None,
        "",
        memory_gib=_plan(1, "GiB"),
        bandwidth_gb_s=_plan(4, "GB/s"),
        peak_gop_s=_plan(10, "Gop/s"),
        peak_type="float32",
        cache_mib=_plan(1, "MiB"),
        battery_wh=_plan(1, "Wh"),
    ),
    card(
        "Raspberry Pi 5",
        "board",
        2023,
        "Broadcom BCM2712",
        memory_gib=_told(8, "GiB", "the larger variant of its launch, product brief quoted by docs.zephyrproject.org"),
        data_rate_mt_s=_told(4267, "MT/s", "LPDDR4X-4267, product brief quoted by docs.zephyrproject.org"),
        bus_bits=_told(32, "bit", "circuitdigest.com and threedots.ovh"),
        cache_mib=_told(2, "MiB", "level 3, product brief quoted by docs.zephyrproject.org"),
        battery_wh=unknown("Wh", "it has none, it hangs on a cable"),
    ),
    card(
        "MacBook Air M2",
        "laptop",
        2022,
        "Apple M2",
        memory_gib=_told(8, "GiB", "the smallest variant, tekspecz.com"),
        bandwidth_gb_s=_told(100, "GB/s", "Apple's keynote of June 2022, techspark.in"),
        peak_gop_s=_told(15_800, "Gop/s", "neural engine, 15.8 TOPS, slashgear.com"),
        peak_type="not stated",
        battery_wh=_told(52.6, "Wh", "MacRumors, 2022-07-19"),
    ),
)

DEVICES: dict[str, Device] = {device.name: device for device in _CARDS}


def find_device(name: str) -> Device:
    """The card called `name`.

    Raises:
        ValueError: no such card; names those that exist.
    """
    if name not in DEVICES:
        raise ValueError(f"device={name!r}: {advice(name, DEVICES)}")
    return DEVICES[name]


def card_table(devices: dict[str, Device] | None = None) -> list[dict[str, str]]:
    """One row of text per card, as a page prints it: each number with its unit and, in brackets, its mark."""
    columns = ("memory_gib", "bandwidth_gb_s", "peak_gop_s", "cache_mib", "battery_wh")
    rows = []
    for device in (devices or DEVICES).values():
        row = {"device": device.name, "kind": device.kind, "year": str(device.year or "")}
        for field in columns:
            value = getattr(device, field)
            row[field.split("_")[0]] = f"{value} [{value.mark}]" if value.known else "unknown"
        rows.append(row)
    return rows
