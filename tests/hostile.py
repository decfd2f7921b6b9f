"""Texts that try to become more than text, and how to see whether one did."""

from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![picture](http://127.0.0.1:9/x.png)",
    "![picture][ref]\n\n[ref]: http://127.0.0.1:9/x.png",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](java\nscript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:x)",
    "[click](//127.0.0.1:9/x)",
    '[click](https://example.org "onmouseover=alert(1)")',
    '[click](https://example.org/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "<https://example.org/a>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=http://127.0.0.1:9></iframe>",
    "<form action=http://127.0.0.1:9><button>go</button></form>",
    "<style>@import 'http://127.0.0.1:9/x.css'</style>",
    "<base href=http://127.0.0.1:9/>",
    "<!-- <script>alert(1)</script> -->",
    "`<img src=x>`",
    '```html"><img src=x onerror=alert(1)>\n</code></pre><script>alert(1)</script>\n```',
    "| a | b |\n|---|---|\n| <img src=x> | [x](javascript:y) |",
    "${alert(1)} {{value}} `${alert(1)}`",
    "</div></section></main><h1>gone</h1>",
    "\u202e<script>\u0000",
)


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def active(self) -> set[str]:
        """Tags and attributes by which a text could run, load or send something."""
        tags = {"script", "img", "iframe", "form", "style", "base", "math", "animate", "object", "embed", "link"}
        found = {tag for tag, _ in self.tags} & tags
        return found | {name for _, attributes in self.tags for name in attributes if name.startswith("on")}
