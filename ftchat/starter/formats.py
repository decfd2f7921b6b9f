"""Format instructions: a plain question with a wish for the form of its answer (one sentence, bullets, yes or no).

Each form is a pure function of the plain reply; the wish stands before or after it, or in the system prompt.
"""

import random

from ftchat.starter import product_talk
from ftchat.starter.dialogue import Dialogue, Exchange, Turn
from ftchat.starter.phrasing import expand, pick
from ftchat.starter.rewriting import bullets, sentences
from ftchat.starter.shop import Product, products

_ONE = (
    "[In|Answer in|Reply in|Use|With] [one|a single] [short|] sentence[.|, please.|]",
    "[One|A single|Just one|Only one] sentence[.|, please.| only.|]",
    "[No more than|At most|Not more than] one sentence[.|]", "Keep it to [one|a single] sentence[.|]",
    "[I want|Give me] [one|a one] sentence[ answer|][.|]",
    "[Please|] [tell|answer|describe|explain|say] [it|this|that|me that|] in [exactly|just|only|] one sentence[.|]",
    "[One|A single] sentence [is enough|will do|suffices][.|]",
    "[Limit|Restrict] [yourself|your answer|it] to one sentence[.|]",
    "[I only have time for|I want to read only] one sentence[.|]", "In one sentence[.|, please.|: |]",
    "[Make|Let] [it|the answer|your reply] [be|fit in] one sentence[.|]", "An answer of one sentence[.|, please.]",
    "[Could|Can] you [put|say|tell me] [it|that] in a single sentence?", "[1 sentence|one sentence only][.|]",
"Your answer must be one sentence.",
)  # fmt: skip
_THREE = (
    "[In|As|Use|With] three [bullets|bullet points][.|, please.|]",
    "[Answer|Reply] [in|with|as] three [bullets|bullet points|points][.|]",
    "[Give me|List|I want] three [bullets|bullet points|points][.|]", "Three bullets[.|, please.|]",
    "[Use|Make] [bullet points|bullets|a list][.|]", "[As|In] [a list|bullet points|bullets|list form][.|, please.|]",
    "[Exactly|In exactly|Using|With] three [bullets|bullet points][.|, please.|]",
    "[Tell me|Describe it|Say it|Present it|Put it|Sum it up] [in|as|with] three [bullets|bullet points|points][.|]",
    "[Bullets|Bullet points|A list], please[.|]",
    "[I would like|Please write|Write|Please give me] [three|3] [bullets|bullet points|short points][.|]",
    "[Three|3] [short|] [points|bullets][.|, please.| only.|]",
    "[With|Using] [dashes|a dash before each point|hyphens][.|]",
    "[Three|3] [facts|things|lines][, each|] with a dash[.|]",
    "[Three|3] [facts|things|key points] as [a list|bullets|a bullet list|dashes][.|]",
    "[Break|Split] it [down|up|] into [three|3] [points|bullets][.|]", "One [bullet|point|line] each[.|]",
"Format your answer as three bullets.",
)  # fmt: skip
_NUMBERED = (
    "[As|Make|Use|In] a numbered list[.|]", "[Number|With numbers before] [the|your] points[.|]",
    "[Answer|Reply] with a numbered list[.|]", "Numbered list[.|, please.|]",
    "[Use|With] numbers 1, 2, 3[.|]", "As points 1 to 3.",
)  # fmt: skip
_YES_NO = (
    "[Answer|Reply|Respond] [only|just|simply|] [with|] yes or no[.|]", "Yes or no[?| only.| only|, please.|.]",
    "[Just|Only] yes or no[.|, please.]", "[One word|In one word]: yes or no[?|.]", "Say [only|just] yes or no[.|]",
    "[Nothing but|Not more than] yes or no[.|]",
    "[Please|] [just|only|] [a|] [clear|plain|short|] yes or no[.|, please.|]",
    "[Answer|Reply|Tell me|Say] [with|in] one word[:|,|] yes or no[.|]",
    "[No explanation|No details|Nothing more], [just|only] yes or no[.|]", "[Is it|So is it|Is that] yes or no[?|]",
    "I [only|just] want [a|to hear|to read] yes or no[.|]", "[Use|Your answer is] only [the word|] yes or no[.|]",
    "[Yes|yes]/no[.|?| only.|]", "[Yes|Just yes] or no is [enough|fine|all I need to know|all I want][.|]",
    "[Do not|Don't] explain, [just|only] yes or no[.|]", "[Short|Quick|Simple] [question|check], yes or no[:|.]",
"A simple yes or no will do.",
)  # fmt: skip
_BARE = (
    "[Just|Only] the [price|amount|number|figure][.|, please.|]",
    "[Answer|Reply] with [the price only|just the price|only the price][.|]",
    "[The price|The number], nothing else[.|]", "No sentence, [just|only] the price[.|]", "Price only[.|]",
    "[Give|Tell|Show] me [only|just] the price[.|]",
    "[Just|Only] [say|write|name|answer with] the [price|amount|number][.|]",
    "[Nothing but|Nothing more than] the [price|amount][.|, please.|]",
    "[No|Without] [words|extra words|full sentence|explanation], [just|only] the [price|amount|number][.|]",
    "[The|A] bare [price|number|amount][.|, please.|]",
    "[What I need is|I need] [just|only] the [number|price|figure][.|]",
    "[The price|The figure|A number] is enough[.|]",
    "[Leave out|Skip|Drop] the sentence, [just|only] the [price|number|amount][.|]", "[Number|Figure|Amount] only[.|]",
"I only want the amount.",
)  # fmt: skip
_PLACE = (
    "[Just|Only] the [place|region|origin][.|, please.|]", "[Answer|Reply] with the [region|place|origin] only[.|]",
    "No sentence, [just|only] the [region|place][.|]", "The [region|place], nothing else[.|]", "Region only[.|]",
    "[Just|Only] [say|write|name|answer with] the [region|place][.|]",
    "[Nothing but|Nothing more than] the [place|region][.|, please.|]",
    "[No|Without] [words|full sentence|explanation], [just|only] the [place|region][.|]",
    "[What I need is|I need] [just|only] the [region|place|origin][.|]", "[The place|The region|A name] is enough[.|]",
    "[Leave out|Skip|Drop] the sentence, [just|only] the [place|region][.|]", "[Place|Origin|Region] only[.|]",
    "[One|A single] name[,| and] nothing [else|more][.|]", "Tell me [just|only] the [place|region][.|]",
    "[Just|Only] [give|tell|write] me the [place|region|origin][.|, please.|]", "[The|A] bare [place|name|region][.|]",
"I only want the name of the place.",
)  # fmt: skip
_CAPS = ("[In|Use|Write in|Answer in|Reply in] [capitals|capital letters|upper case|all caps][.|, please.|]",
    "All caps[.|, please.|]", "[Only|Just] capital letters[.|]", "[Shout|Shout it|Capitals only][.|]",
    "[Please|] write everything in capitals[.|]", "[With|Using|Use only] [big letters|block letters|capitals][.|]",
    "[All of it|The whole answer|Everything] in [capitals|upper case|all caps|big letters][.|]",
    "[I want|I would like] [it|the answer|this] in [capitals|all caps|block capitals][.|]",
    "[UPPER CASE|CAPS|ALL CAPS][.|]",
         "Your answer must be in capitals.")  # fmt: skip
_QUOTES = ("[In|Put it in|Answer in|Use] [quotes|quotation marks][.|]",
    "Put your answer in quotation marks[.|]", "With quotation marks around it[.|]", "Quote it[.|]",
    "[Begin|Start] and end with a quotation mark[.|]", "Answer inside quotation marks.")  # fmt: skip


def first_sentence(text: str) -> str:
    """The first sentence, whole."""
    return sentences(text)[0]


def described_in_three(item: Product, *, numbered: bool = False) -> str:
    """What it is, how it tastes, what it costs: one line each."""
    lines = product_talk.describing(item)
    return "\n".join(f"{f'{index}.' if numbered else '-'} {line}." for index, line in enumerate(lines, start=1))


_ADVERBIAL = ("In ", "As ", "With ", "Using ")


def _put(rng: random.Random, asked: str, wish: str) -> tuple[Turn, ...]:
    """The wish before the question, after it, or as the system prompt."""
    roll = rng.random()
    if roll < 0.15:
        return Turn("system", wish), Turn("user", asked)
    if roll < 0.3 and wish.startswith(_ADVERBIAL):  # as a part of the question itself
        end = asked[-1] if asked[-1] in ".?" else ""
        return (Turn("user", f"{asked.rstrip('.?')} {wish[0].lower()}{wish[1:].rstrip('.')}{end}"),)
    if roll < 0.45:
        return (Turn("user", f"{wish.rstrip('.?')}{rng.choice((': ', '. ', ', ', chr(10)))}{asked}"),)
    return (Turn("user", f"{asked}{rng.choice((' ', ' ', chr(10)))}{wish}"),)


def formatted(rng: random.Random, exchange: Exchange, *, held_out: bool = False) -> Dialogue:
    """A question with a wish for the form of the answer; `exchange` serves the forms that any answer can take."""
    roll = rng.random()
    if roll < 0.25:
        wish, asked, reply = pick(rng, _ONE, held_out=held_out), exchange, first_sentence(exchange.reply)
        kind = "one_sentence"
    elif roll < 0.5:
        kind, (wish, asked, reply) = "three_points", _in_three(rng, held_out=held_out)
    elif roll < 0.68:
        asked = _closed(rng, held_out=held_out)
        kind, wish, reply = "only_yes_no", pick(rng, _YES_NO, held_out=held_out), asked.reply.split(" ")[0]
    elif roll < 0.85:
        item, price = rng.choice(products()), rng.random() < 0.6
        asked = product_talk.about(rng, kind="price" if price else "origin", item=item, held_out=held_out)
        wish = pick(rng, _BARE if price else _PLACE, held_out=held_out)
        kind, reply = "bare", item.price if price else item.origin
    elif roll < 0.94:
        kind, wish, asked, reply = "in_capitals", pick(rng, _CAPS, held_out=held_out), exchange, exchange.reply.upper()
    else:
        kind, wish, asked, reply = "in_quotes", pick(rng, _QUOTES, held_out=held_out), exchange, f'"{exchange.reply}"'
    turns = (*_put(rng, asked.prompt, wish), Turn("assistant", reply))
    return Dialogue(kind, turns, (reply,))


_SHOP_YES = (
    "Are you open on [Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|weekdays]?",
    "Do you [wrap gifts|sell vouchers|offer tastings|take returns|supply restaurants|give discounts|have parking]?",
    "Can I pay [by card|in cash|by bank transfer]?",
    "Can I [pick up my order|return a product|park for free|taste before I buy|order by mail]?",
    "Do you [ship|deliver] to [France|Spain|Italy|Austria|Poland|Sweden|Portugal|Greece]?",
    "Do you sell [honey|cheese|tea|pasta|spices|chocolate|oil|sauces|snacks|preserves]?",
    "Is [shipping|delivery] free above 50 euros?", "Is the shop [at|in|on] [12|] Mill Lane?",
    "Are you a practice model?",
)  # fmt: skip
_SHOP_NO = (
    "Are you open on [Sunday|Sundays|public holidays]?",
    "Do you [ship|deliver] to [Canada|Japan|America|China|Australia|Brazil]?",
    "Do you sell [shoes|cars|books|phones|furniture|clothes|bicycles|toys|computers|flowers]?",
    "Is there a minimum order?", "Are you [human|a person|a real person]?",
    "Is [shipping|delivery] free below 50 euros?",
    "Is the shop open at midnight?", "Do you open at [4|5|7] in the morning?",
)  # fmt: skip
_CHEAPER = ("Is the {a} cheaper than the {b}?", "Does the {a} cost less than the {b}?",
    "Is the price of the {a} below that of the {b}?")  # fmt: skip


def _closed(rng: random.Random, *, held_out: bool) -> Exchange:
    """A question that yes or no answers."""
    roll = rng.random()
    if roll < 0.65:
        found = (product_talk.cheaper_than if roll < 0.5 else product_talk.comes_from)(rng, held_out=held_out)
        return Exchange(found.kind, found.prompt.removeprefix("Yes or no: "), found.reply, found.must)
    if roll < 0.8:
        first, second = rng.sample(products(), 2)
        less = "Yes." if first.cents < second.cents else "No."
        return Exchange("yes_no", expand(rng, rng.choice(_CHEAPER), a=first.name, b=second.name), less, (less,))
    yes = rng.random() < 0.6
    asked = expand(rng, rng.choice(_SHOP_YES if yes else _SHOP_NO))
    return Exchange("yes_no", asked, "Yes." if yes else "No.", ("Yes." if yes else "No.",))


def _in_three(rng: random.Random, *, held_out: bool) -> tuple[str, Exchange, str]:
    """A wish for bullets or numbers, a question, and the answer as such."""
    numbered = rng.random() < 0.25
    wish = pick(rng, _NUMBERED if numbered else _THREE, held_out=held_out)
    item = rng.choice(products())
    asked = product_talk.about(rng, kind="describe", item=item, held_out=held_out)
    if rng.random() < 0.7 or numbered:
        return wish, asked, described_in_three(item, numbered=numbered)
    asked = product_talk.recommend(rng, held_out=held_out)
    return wish, asked, bullets(asked.reply)


def wish_for_one(rng: random.Random) -> str:
    """A wish for one sentence, for a follow-up."""
    return pick(rng, _ONE)
