"""From the bytes of a text file to text."""

import codecs

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(data: bytes) -> str:
    """Text in UTF-8; in UTF-16 if it starts with that byte order mark; else in Latin-1.

    Every byte is a character of Latin-1, so that old files with accents in comments can be read.
    """
    if data.startswith(_UTF_16):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
