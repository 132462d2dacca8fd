"""The table of docs/settings.md, made from the Structs that hold the settings."""

from onepush_core.settings import TYPES, default_of, flag_of, meaning_of, variables_of

HEAD = "| key | flag of `onepush serve` | variable | default | meaning |\n|---|---|---|---|---|\n"


def settings_table() -> str:
    """One line for each setting, in the order of the Structs."""
    return HEAD + "".join(map(_line, TYPES))


def _line(pair: tuple[str, str]) -> str:
    flag = flag_of(*pair)
    variables = ", ".join(f"`{name}`" for name in variables_of(*pair))
    cells = [
        f"`{'.'.join(pair)}`",
        f"`{flag}`" if flag else "none",
        variables,
        _default(pair),
        meaning_of(*pair),
    ]
    return f"| {' | '.join(cells)} |\n"


def _default(pair: tuple[str, str]) -> str:
    value = default_of(*pair)
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        value = ", ".join(f"{one:g}" for one in value)
    return f"`{value:.10g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    print(settings_table(), end="")
