"""Origin of a stored sweep's rows: file, command, machine, commit and date"""

from dataclasses import dataclass

from mobilellm_lab.sweeps import Store


@dataclass(frozen=True, kw_only=True)
class Origin:
    """File, command, machines, commits and dates of measured rows."""

    file: str  # name of the file in mobilellm_lab/reference
    rows: int
    commands: tuple[str, ...]
    machines: tuple[str, ...]
    commits: tuple[str, ...]  # first seven hex digits, oldest row first
    dates: tuple[str, ...]  # ISO, sorted
    threads: tuple[int, ...]  # of torch, in each process; more than one where that is what was compared
    torch: str  # version

    def __str__(self) -> str:
        """One line: "measured on MACHINE, commit ..., date ...; FILE, made by `COMMAND`"."""
        commits = self.commits[0] if len(self.commits) == 1 else f"{self.commits[0]} to {self.commits[-1]}"
        date = self.dates[0] if len(self.dates) == 1 else f"{self.dates[0]} to {self.dates[-1]}"
        threads = " or ".join(map(str, self.threads))
        return (
            f"measured on {', '.join(self.machines)}, one process with {threads} torch "
            f"thread{'s' * (self.threads != (1,))}, torch {self.torch}; commit {commits}, {date}; "
            f"{self.rows} rows of mobilellm_lab/reference/{self.file}, made by `{', '.join(self.commands)}`"
        )


def origin(store: Store) -> Origin:
    """The origin of all rows of `store`.

    Raises:
        ValueError: the store is empty, or its rows were measured with different thread counts or torch versions.
    """
    made = [row["provenance"] for row in store.rows.values()]
    if not made:
        raise ValueError(f"{store.path.name} has no rows: make them with `mobilellm-lab sweep {store.path.stem}`")

    def distinct(name: str) -> tuple:
        return tuple(dict.fromkeys(row[name] for row in made))

    for name in ("threads", "torch"):
        if len(distinct(name)) > 1:
            raise ValueError(f"{store.path.name} mixes {name} {distinct(name)}: measure its rows again, all alike")
    return Origin(
        file=store.path.name,
        rows=len(made),
        commands=distinct("command"),
        machines=distinct("machine"),
        commits=tuple(dict.fromkeys(commit[:7] for commit in distinct("commit"))),
        dates=tuple(sorted(distinct("date"))),
        threads=tuple(sorted({row["recipe"].get("threads", made[0]["threads"]) for row in store.rows.values()})),
        torch=distinct("torch")[0],
    )
