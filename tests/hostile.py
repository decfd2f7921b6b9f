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

# What calls home or runs, in a browser that lets it; {url} is a server that counts, and `hacked` is looked for.
_CALLS = (
    "<script>window.hacked = 1</script>",
    "<script src={url}/a.js></script>",
    "<img src={url}/b.png>",
    "<img src=x onerror='window.hacked = 2'>",
    "<img srcset='{url}/c.png 1x'>",
    "![x]({url}/d.png)",
    "![x][r]\n\n[r]: {url}/e.png",
    "<svg onload='window.hacked = 3'></svg>",
    "<svg><image href={url}/f.svg /></svg>",
    "<svg><use href='{url}/g.svg#x' /></svg>",
    "<math href='javascript:window.hacked = 4'>x</math>",
    "<iframe src={url}/h></iframe>",
    "<iframe srcdoc='<script>parent.hacked = 5</script>'></iframe>",
    "<object data={url}/i></object>",
    "<embed src={url}/j>",
    "<video src={url}/k autoplay></video>",
    "<audio src={url}/l autoplay></audio>",
    "<link rel=stylesheet href={url}/m.css>",
    "<style>@import url({url}/n.css); body {{ background: url({url}/o.png) }}</style>",
    "<div style='background: url({url}/p.png)'>x</div>",
    "<form action={url}/q><input autofocus onfocus='window.hacked = 6'><button>go</button></form>",
    "<meta http-equiv=refresh content='0;url={url}/r'>",
    "<base href={url}/s/>",
    "<details open ontoggle='window.hacked = 7'>x</details>",
    "<body onload='window.hacked = 8'>",
    "[x](javascript:window.hacked=9)",
    "[x](data:text/html,<script>window.hacked=10</script>)",
    "<a href={url}/t ping={url}/u autofocus>x</a>",
    "${{window.hacked = 11}} {{{{window.hacked}}}} `${{window.hacked = 12}}`",
    "\"><img src={url}/v.png x=\"' onerror='window.hacked = 13'",
)
_AROUND = ("{}", "> {}", "1. {}", "**{}**", "```html\n{}\n```", "</div></section></article>{}", "| a |\n|---|\n| {} |")


def calling(url: str) -> tuple[str, ...]:
    """210 texts that try to run or to call a server."""
    return tuple(around.format(call.format(url=url)) for call in _CALLS for around in _AROUND)


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
