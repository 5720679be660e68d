"""The corpus that a command line names, by arguments or by an option."""

from typing import Annotated

import typer

Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CORPUS",
        help="moby_dick, time_machine or tiny_shakespeare; text files; or a folder with ptb.train.txt, wiki.train.tokens, "
        "text8, enwik8 or train.txt and their like, or with any text files.",
        show_default=False,
    ),
]
Option = Annotated[
    list[str] | None,
    typer.Option("--corpus", metavar="CORPUS", help="The same as an option; may be repeated.", show_default=False),
]


Encoding = Annotated[
    str | None,
    typer.Option(help="How text files are encoded, as latin-1; utf-8 by default. A byte order mark wins.", show_default=False),
]


def named_corpus(arguments: list[str] | None, option: list[str] | None) -> list[str]:
    """What names the corpus.

    Raises:
        ValueError: If both do.
    """
    if arguments and option:
        raise ValueError(
            f"the corpus must be named once, but {' '.join(arguments)!r} and --corpus {' '.join(option)!r} both do. "
            "Leave one out."
        )
    return list(arguments or option or [])


def required_corpus(arguments: list[str] | None, option: list[str] | None) -> list[str]:
    """The same, where there must be one.

    Raises:
        ValueError: If none or both do.
    """
    names = named_corpus(arguments, option)
    if not names:
        raise ValueError("a corpus must be named, but none is. Name one: moby_dick, text files, or a folder.")
    return names
