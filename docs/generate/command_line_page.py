"""The reference of the command line, from its parser."""

import argparse


def _usage(parser: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(parser.prog, width=90)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, "")
    return formatter.format_help().strip()


def _row(action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.dest}`"
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    text = (action.help or "").replace("|", "\\|")
    return f"| {names} | {text}{f' ({choices})' if choices else ''} |"


def markdown(parser: argparse.ArgumentParser) -> str:
    """One section for each command: purpose, usage, arguments."""
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    purposes = {action.dest: action.help for action in commands._choices_actions}
    parts = ["# Command line", f"{parser.description}", "Generated from the parser of `sitenet`."]
    for name, command in commands.choices.items():
        rows = [_row(action) for action in command._actions if action.dest != "help"]
        purpose = command.description or purposes.get(name) or ""
        parts += [
            f"## sitenet {name}",
            f"{purpose[:1].upper()}{purpose[1:]}{'' if purpose.endswith('.') else '.'}",
            f"```\n{_usage(command)}\n```",
            "\n".join(["| argument | |", "| --- | --- |", *rows]),
        ]
    return "\n\n".join(parts) + "\n"
