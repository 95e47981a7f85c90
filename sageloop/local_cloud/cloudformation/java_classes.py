r"""Character classes of Java's regular expressions, as sets of the ``regex`` package."""

from __future__ import annotations

import re

_HORIZONTAL = r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
_VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
_SPACE = r" \t\n\x0b\f\r"
# Without the flag U all of these are of ASCII.
PREDEFINED = {
    "d": "[0-9]", "D": "[^0-9]", "w": "[A-Za-z0-9_]", "W": "[^A-Za-z0-9_]",
    "s": f"[{_SPACE}]", "S": f"[^{_SPACE}]", "h": f"[{_HORIZONTAL}]", "H": f"[^{_HORIZONTAL}]",
    "v": f"[{_VERTICAL}]", "V": f"[^{_VERTICAL}]",
}  # fmt: skip
_PUNCTUATION = r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e"
_POSIX = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "A-Za-z", "Digit": "0-9",
    "Alnum": "A-Za-z0-9", "Punct": _PUNCTUATION, "Graph": r"\x21-\x7e", "Print": r"\x20-\x7e",
    "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f", "XDigit": "0-9A-Fa-f", "Space": _SPACE,
}  # fmt: skip
_OF_JAVA = {
    "javaLowerCase": r"\p{Lowercase}", "javaUpperCase": r"\p{Uppercase}",
    "javaAlphabetic": r"\p{Alphabetic}", "javaLetter": r"\p{L}", "javaDigit": r"\p{Nd}",
    "javaLetterOrDigit": r"\p{L}\p{Nd}", "L1": r"\x00-\xff", "LD": r"\p{L}\p{Nd}",
    "IsLetter": r"\p{L}", "IsPunctuation": r"\p{P}", "IsControl": r"\p{Cc}",
    "IsDigit": r"\p{Nd}", "IsTitlecase": r"\p{Lt}",
}  # fmt: skip
_CATEGORY = re.compile(
    "(?:Is)?(?:L[ultmoC]?|M[nec]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?)"
)
_PASSED_ON = re.compile(
    r"(?:Is|In)[A-Za-z][A-Za-z0-9_ -]*"
    r"|(?:script|sc|block|blk|general_category|gc)=[A-Za-z][A-Za-z0-9_ -]*"
)


def property_class(name: str, *, negated: bool) -> str:
    r"""The set of ``\p{name}``, or of ``\P{name}``. Raises ``ValueError`` if Java has none."""
    inner = _POSIX.get(name) or _OF_JAVA.get(name)
    if inner is None:
        if _CATEGORY.fullmatch(name) or name.startswith("Is"):
            inner = rf"\p{{{name.removeprefix('Is')}}}"
        elif _PASSED_ON.fullmatch(name):
            inner = rf"\p{{{name}}}"
        else:
            raise ValueError(f"unknown character property name {{{name}}}")
    return f"[^{inner}]" if negated else f"[{inner}]"
