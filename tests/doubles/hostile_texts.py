"""Texts that try to be more than text, in XML, Markdown or a log."""

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</code></td><script>alert(1)</script>",
    "@octocat and #12, o/n#3, 20fee56205d74151632c772d141a274b16f5acfa",
    "[link](https://evil.example) ![p](https://evil.example/p.png) www.evil.example",
    "a | b \\| c ``` d ` e ** f __ g ~~",
    "line\n\n# heading\r\n- list\n<!-- comment",
    "::error::x ##[add-mask]e %0A::set-output name=x::y",
    "&lt;b&gt; &#60; \x00\x1b[31m\u202e\ud800 ]]> <![CDATA[",
    "| --- |\n$\\frac{a}{b}$ :smile: <https://evil.example>",
)
