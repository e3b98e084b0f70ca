"""How messages look: in a pipe one line each, at a terminal a heading and the text below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from moltnet_cli.rendering import Column, safe, shown_json, shown_time, terminal_console

if TYPE_CHECKING:
    from moltnet_core import Message, Part

__all__ = ["COLUMNS", "show_messages"]

_INDENT: Final = 2


def _attachment(part: Part) -> str:
    """What a part has besides text: ``[file] report.pdf (application/pdf) https://…``."""
    if part.kind == "text" and not (part.url or part.filename or part.media_type or part.data):
        return ""
    media_type = f"({part.media_type})" if part.media_type else ""
    data = shown_json(part.data) if part.data else ""
    return " ".join(word for word in (f"[{part.kind}]", part.filename, media_type, part.url, data) if word)


def _content(message: Message) -> list[str]:
    """The message's texts and attachments, in its order, then whom it mentions."""
    found = []
    for part in message.parts:
        found += [text for text in (part.text or "", _attachment(part)) if text]
    if message.mentions:
        found.append(f"[mentions] {', '.join(message.mentions)}")
    return found


COLUMNS: Final[Sequence[Column[Message]]] = (
    Column("TIME", lambda message: message.created_at),
    Column("ID", lambda message: message.id),
    Column("FROM", lambda message: message.sender.id),
    Column("TEXT", lambda message: " ".join(_content(message))),
)


def show_messages(messages: Sequence[Message]) -> None:
    """Print messages at a terminal."""
    from rich.padding import Padding
    from rich.text import Text

    console = terminal_console()
    for message in messages:
        when = shown_time(message.created_at, to_the_second=True)
        heading = Text.assemble((safe(message.sender.id), "bold"), (f"  {when}  {safe(message.id)}", "dim"))
        console.print(heading, overflow="fold")
        for text in _content(message):
            body = Text("\n".join(safe(line, keep="\t") for line in text.split("\n")))
            console.print(Padding(body, (0, 0, 0, _INDENT), expand=False), overflow="fold")
