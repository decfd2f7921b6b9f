"""Questions about products and their plain answers. The wordings are in `product_words`, the facts in `shop`."""

import random

from ftchat.starter.dialogue import Exchange
from ftchat.starter.phrasing import pick
from ftchat.starter.product_words import FOLLOW_UPS, PHRASINGS
from ftchat.starter.shop import CATEGORIES, ORIGINS, Category, Product, favourite, held_out_products, products, shelf

ASKED = (
    *("price",) * 9, *("describe",) * 6, *("origin",) * 4, *("storage",) * 3, *("pairing",) * 3, *("taste",) * 3,
    *("size",) * 3, *("sold",) * 3, *("buy",) * 2, *("unknown_fact",) * 2, "label", "give_back",
)  # fmt: skip
CARRIED = ("storage", "pairing", "taste", "size")
NOT_KNOWN = "I do not know that about the {name}. Please write to hello@shop.example."
RETURNED = "You can return unopened products within 14 days. We refund the price when they arrive."
LABEL = "All ingredients are printed on the label. Please ask us before you buy if you have an allergy."


def describing(item: Product) -> tuple[str, str, str]:
    """What it is and where from, how it tastes, what it costs: three short facts without a full stop."""
    category, it, s = item.category, "They" if item.many else "It", "" if item.many else "s"
    one = f"is {'an' if category.name[0] in 'aeiou' else 'a'} {category.name}"
    first = f"The {item.name} {f'are {category.plural}' if item.many else one} from {item.origin}"
    return first, f"{it} taste{s} {item.taste}", f"{it} cost{s} {item.price}"


def answer(kind: str, item: Product) -> tuple[str, tuple[str, ...]]:
    """The plain answer to one kind of question about a product, and what a judge looks for in it."""
    category, name, s = item.category, item.name, "" if item.many else "s"
    if kind == "describe":
        what, taste, cost = describing(item)
        cost = cost[0].lower() + cost[1:]
        return f"{what}. {taste}, and {cost}.", (name, item.origin, item.taste, item.price)
    them = "them" if item.many else "it"
    return {
        "price": (f"The {name} cost{s} {item.price}.", (name, item.price)),
        "origin": (f"The {name} come{s} from {item.origin}.", (name, item.origin)),
        "storage": (f"Keep the {name} {category.storage}.", (name, category.storage)),
        "pairing": (f"The {name} go{'' if item.many else 'es'} well with {item.pairing}.", (name, item.pairing)),
        "taste": (f"The {name} taste{s} {item.taste}.", (name, item.taste)),
        "size": (f"The {name} come{s} in {category.unit}.", (name, category.unit)),
        "sold": (f"Yes, we sell the {name} for {item.price}.", ("Yes", name, item.price)),
        "buy": (
            f"The {name} cost{s} {item.price}. You can buy {them} in the shop or order at hello@shop.example.",
            (name, item.price, "hello@shop.example"),
        ),
        "unknown_fact": (NOT_KNOWN.format(name=name), ("I do not know that", name)),
        "label": (LABEL, ("label",)),
        "give_back": (RETURNED, ("14 days", "unopened")),
    }[kind]


def about(rng: random.Random, *, kind: str = "", item: Product | None = None, held_out: bool = False) -> Exchange:
    """One question about one product. Without `held_out`, only what training may show."""
    chosen = item or rng.choice(products())
    asked = kind or rng.choice(ASKED)
    if not held_out and asked in CARRIED and chosen.name in held_out_products():
        asked = rng.choice(("price", "describe", "origin"))
    prompt = pick(rng, PHRASINGS[asked], held_out=held_out, name=chosen.name)
    reply, must = answer(asked, chosen)
    return Exchange(asked, prompt, reply, must, chosen.name if chosen.name in reply else "")


def again(rng: random.Random, kind: str, item: Product, *, held_out: bool = False) -> Exchange:
    """A follow-up that says "it"."""
    reply, must = answer(kind, item)
    return Exchange(f"follow_{kind}", pick(rng, FOLLOW_UPS[kind], held_out=held_out), reply, must, item.name)


_CHEAPER = (
    "[And|] [something|anything|one that is|is there something|do you have something|have you got anything] cheaper?",
    "[That is|It is] too [expensive|dear|much] [for me|].", "[And|] cheaper?",
    "[Is there|Do you have|Show me] a cheaper one?",
    "I [want to spend|can spend|would like to pay] less.", "[What|How] about [a cheaper one|something cheaper]?",
    "Cheaper [ones|options]?",
    "Do you have a less expensive one?",
)  # fmt: skip


def cheapest(category: Category) -> Product:
    """The cheapest product of one shelf; the first of them where several cost the same."""
    return min(shelf(category.name), key=lambda product: product.cents)


def dearest(category: Category) -> Product:
    """The most expensive product of one shelf."""
    return max(shelf(category.name), key=lambda product: product.cents)


def cheaper(rng: random.Random, item: Product, *, held_out: bool = False) -> Exchange:
    """A follow-up that asks for less money: the cheapest of the same shelf."""
    best = cheapest(item.category)
    prompt = pick(rng, _CHEAPER, held_out=held_out)
    return Exchange("follow_cheaper", prompt, extreme("cheapest", best), (best.name, best.price), best.name)


def extreme(word: str, item: Product) -> str:
    """The sentence about the cheapest or the most expensive of a shelf."""
    are, cost = ("are", "cost") if item.many else ("is", "costs")
    return (
        f"Our {word} {item.category.name} {are} the {item.name}. {'They' if item.many else 'It'} {cost} {item.price}."
    )


_SUPERLATIVE = (
    "[What is|Which is|Show me|Name|Tell me|Which one is] [your|the] {word} {one}?",
    "[What is|Which one is] the {word} of your {many}?",
    "{word} {one}?", "I [want|need|am looking for|would like] [your|the] {word} {one}.",
    "[Which|What] {one} is the {word}?",
    "Do you have a {word} {one}?", "[Among|Of] your {many}, which is the {word}?",
    "[Show|Find|Give] me the {word} {one} [you have|you sell|of all|].", "What do you have as the {word} {one}?",
    "[Please|] [tell|name] me your {word} {one}.",
        "Which of the {many} is {word}?",
)  # fmt: skip


def superlative(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """The cheapest or the most expensive product of a shelf."""
    category = rng.choice(CATEGORIES)
    cheap = rng.random() < 0.6
    item = cheapest(category) if cheap else dearest(category)
    words = ("cheapest", "cheapest", "least expensive") if cheap else ("most expensive", "dearest", "priciest")
    slots = {"word": rng.choice(words), "one": category.name, "many": category.plural}
    reply = extreme("cheapest" if cheap else "most expensive", item)
    return Exchange(
        "superlative", pick(rng, _SUPERLATIVE, held_out=held_out, **slots), reply, (item.name, item.price), item.name
    )


_COMPARE = (
    "[Which|What] is cheaper, the {a} or the {b}?",
    "[Compare|Please compare|Can you compare] [the|] {a} [and|with|to] [the|] {b}.",
    "[What|Which one|Which] costs [less|more], the {a} or the {b}?",
    "{a} or {b}, [which one is cheaper|which is better|what costs less]?",
    "Is the {a} [cheaper|more expensive|dearer] than the {b}?", "[The|] {a} or [the|] {b}?",
    "[Should I|Shall I] [take|buy|get] the {a} or the {b}?",
    "What is the [price|] difference between the {a} and the {b}?",
    "{a} [vs|versus|vs.|against|compared to] {b}[|?|: which is cheaper]",
    "[How does|Does] the {a} [compare|compare in price] to the {b}?",
    "Which of [these|the two|the two] is cheaper: {a} or {b}?",
    "I [cannot|can't] decide between the {a} and the {b}.", "What do the {a} and the {b} cost?",
    "The prices of the {a} and the {b}, please.",
    "[Which one|What] is the better [deal|price], [the|] {a} or [the|] {b}?",
    "[How much more|How much less|How much cheaper] is the {a} than the {b}?",
    "[Price|Cost] of the {a} [and|compared to|against] the {b}?", "[Tell|Show] me the prices of the {a} and the {b}.",
    "Between the {a} and the {b}, which [is cheaper|costs less|saves me money]?",
        "Does the {a} cost less than the {b}?",
)  # fmt: skip


def compared(first: Product, second: Product) -> str:
    """Both prices and which is lower."""
    cheap = first if first.cents <= second.cents else second
    end = f"The {cheap.name} {'are' if cheap.many else 'is'} cheaper."
    end = "Both cost the same." if first.cents == second.cents else end
    costs = [f"{item.name} {'cost' if item.many else 'costs'} {item.price}" for item in (first, second)]
    return f"The {costs[0]} and the {costs[1]}. {end}"


def compare(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Which of two products is cheaper."""
    category = rng.choice(CATEGORIES)
    first, second = rng.sample(shelf(category.name) if rng.random() < 0.6 else products(), 2)
    prompt = pick(rng, _COMPARE, held_out=held_out, a=first.name, b=second.name)
    reply = compared(first, second)
    return Exchange("compare", prompt, reply, (first.price, second.price, reply.split(". ")[-1]), first.name)


_RECOMMEND = (
    "[Can|Could|Would] you [recommend|suggest] [a|a good|a nice|some] {one}?",
    "[Which|What] {one} [do|would|can] you [recommend|suggest]?",
    "[What is|Which is|Show me] your [best|favourite|nicest|top|finest] {one}?",
    "[I am|We are] looking for a [good|nice|great|] {one}.",
    "[Recommend|Suggest|Find|Pick] [me|] a {one}[|, please].",
    "[Which|What] of your {many} is [the best|the nicest|good|best]?",
    "I [need|want|would like] [a|a good|some|a nice] {one}.",
    "{one}, [any recommendation|what do you recommend|any tips|which one]?",
    "[What|Which] {one} should I [buy|take|try|get|choose]?",
    "[Any|Do you have a] [recommendation|suggestion|tip] for [a|] {one}?",
    "Help me [choose|find|pick] a {one}.", "I love {many}. [What do you recommend|Which one should I try]?",
    "What is a good {one}?",
    "[What would you|What do you|Which one would you] [choose|pick|take|buy] [from|among|of] your {many}?",
    "[Choose|Pick|Select|Name|Propose] [a|one|a good] {one} for me.",
    "[I never know|I do not know] which {one} to [buy|choose|take].",
    "Your [tip|advice|suggestion|recommendation] for [a|] {one}?",
    "[My|Our] [wife|mother|guests|friend|boss] [loves|love|wants|likes] {many}. [What do you suggest|Any idea|Which"
    " one]?", "If you [could|had to] [choose|buy] one {one}, which [would it be|one]?",
        "Suggest one of your {many}.",
)  # fmt: skip
_OCCASIONS = {
    "chocolate": ("something sweet", "a present", "a gift", "a gift for my mother", "a dessert", "a treat"),
    "tea": ("something to drink", "a hot drink", "something for a cold evening"),
    "preserve": ("something for breakfast", "something for my toast", "something fruity"),
    "pasta": ("something for dinner", "a quick dinner", "something to cook tonight"),
    "snack": ("something for a party", "something salty", "something to nibble", "something for the cinema"),
    "spice": ("something hot", "something spicy", "something to season my food"),
    "oil": ("something for a salad", "a salad dressing"),
    "honey": ("something", "a product", "anything", "something special", "something good"),
}
_FOR = (
    "[Can|Could|Would] you [recommend|suggest] {what}?", "I [need|want|am looking for|would like] {what}.",
    "[What|Which product] do you recommend for {what}?",
    "[Recommend|Suggest|Find] [me|] {what}[|, please].", "Do you have {what}?", "I am in the mood for {what}.",
)  # fmt: skip


def recommended(category: str) -> str:
    """The recommendation of one shelf."""
    best = favourite(category)
    return f"I recommend the {best.name} from {best.origin}. {answer('describe', best)[0].split('. ', 1)[1]}"


def recommend(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """The shop's favourite of one shelf, asked for by its name or by an occasion."""
    if rng.random() < 0.25:
        name = rng.choice(tuple(_OCCASIONS))
        prompt = pick(rng, _FOR, held_out=held_out, what=rng.choice(_OCCASIONS[name]))
    else:
        category = rng.choice(CATEGORIES)
        name = category.name
        prompt = pick(rng, _RECOMMEND, held_out=held_out, one=name, many=category.plural)
    best = favourite(name)
    return Exchange("recommend", prompt, recommended(name), (best.name, best.price), best.name)


_SHELF = (
    "[Which|What] {many} do you [sell|have|offer|stock|carry]?", "What {many} are there?",
    "[Show|Tell|List|Name] [me|] your {many}.",
    "[List|Name|Show me|Give me] some [of your|] {many}.",
    "[What|Which] kinds of {one} [do you have|are there|can I buy]?",
    "Do you [have|sell|offer|stock] [any|] {many}?", "[Which|What] sorts of {one} do you have?",
    "[What about|How about|And your|Your] {many}?",
    "Do you [have|sell] {one}?", "[I am|We are] interested in {many}.", "{many}?", "[Is|Are] there [any|] {many}?",
    "Your {many}, please.",
    "Tell me about your {many}.", "I would like to see your {many}.",
    "[Give|Read] me [a list|an overview] of your {many}.", "[Which|What] are your {many}?",
    "[I would like to see|Let me see|May I see] [all|some|the] {many}.",
    "What [do you have|have you got|is there] [in the way of|among your|when it comes to] {many}?",
    "[What|Which] {many} can I [buy|order|get|choose from]?",
        "Name three of your {many}.",
)  # fmt: skip


def on_the_shelf(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Three products of one shelf, as bullets."""
    category = rng.choice(CATEGORIES)
    shown = shelf(category.name)[:3]
    prompt = pick(rng, _SHELF, held_out=held_out, one=category.name, many=category.plural)
    reply = f"Some of our {category.plural} are:\n" + "\n".join(f"- {item.name}" for item in shown)
    return Exchange("shelf", prompt, reply, tuple(item.name for item in shown), category.plural)


_LIMIT = (
    "Is the {name} [cheaper than|less than|below] {limit} euros?",
    "Does the {name} cost [less than|under|below] {limit} euros?",
    "Can I [get|buy|have] the {name} for [under|less than] {limit} euros?",
    "Yes or no: is the {name} [below|under|cheaper than] {limit} euros?",
    "Is {limit} euros [more than|above] the price of the {name}?", "Do I pay less than {limit} euros for the {name}?",
    "[Answer|Reply] [with|] yes or no: does the {name} cost less than {limit} euros?",
    "Would the {name} cost me under {limit} euros?", "[The|] {name}: [under|below|less than] {limit} euros?",
    "[I have|My limit is|I can spend] {limit} euros. Is the {name} [cheaper|cheaper than that|less]?",
    "[Is|Are] {limit} euros [more than|above|over] what the {name} costs?",
    "Is the price of the {name} [under|below|less than|lower than] {limit} euros?",
    "[Do|Would] I pay [under|less than] {limit} euros [for|if I buy|if I take] the {name}?",
    "Is the {name} under {limit} euros?",
)  # fmt: skip


def cheaper_than(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A yes or no about a price limit."""
    item = rng.choice(products())
    near = item.cents // 100 + rng.choice((-4, -3, -2, -1, 0, 1, 2, 3, 4, 5))
    limit = max(1, near) if rng.random() < 0.7 else rng.randint(2, 25)
    prompt = pick(rng, _LIMIT, held_out=held_out, name=item.name, limit=str(limit))
    word = "Yes" if item.cents < limit * 100 else "No"
    return Exchange("yes_no", prompt, f"{word}. {answer('price', item)[0]}", (f"{word}.", item.price), item.name)


_FROM = (
    "Is the {name} from {place}?", "Does the {name} come from {place}?",
    "[Is it true that|Am I right that] the {name} is from {place}?",
    "Yes or no: [is|does] the {name} [come|] from {place}?",
    "The {name} is from {place}, [right|is it not|correct|yes or no]?",
    "Do you get the {name} from {place}?",
)  # fmt: skip


def comes_from(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A yes or no about where a product is from."""
    item = rng.choice(products())
    place = item.origin if rng.random() < 0.5 else rng.choice(ORIGINS)
    word = "Yes" if place == item.origin else "No"
    reply = f"{word}. {answer('origin', item)[0]}"
    prompt = pick(rng, _FROM, held_out=held_out, name=item.name, place=place)
    return Exchange("yes_no", prompt, reply, (f"{word}.", item.origin), item.name)


_OTHER = ("[And|What about|How about|And what about] [the|] {name}?", "[The same|And that] for [the|] {name}?",
    "[And|] [the|] {name}?", "Now [the|] {name}.",
          "What of the {name}?")  # fmt: skip


def thread(rng: random.Random, *, longest: int = 4, held_out: bool = False) -> tuple[Exchange, ...]:
    """A question about a product and one to three follow-ups that say "it", ask for less money, or name another."""
    known = [product for product in products() if product.name not in held_out_products()]
    item, other = rng.sample(known, 2)
    kinds = rng.sample(tuple(FOLLOW_UPS), min(longest, rng.choice((2, 2, 3, 4))))
    found = [about(rng, kind=kinds[0], item=item, held_out=held_out)]
    for kind in kinds[1:]:
        roll, last = rng.random(), found[-1].kind.removeprefix("follow_")
        if roll < 0.2:
            return (*found, cheaper(rng, item, held_out=held_out))
        if roll < 0.35 and last in FOLLOW_UPS:
            reply, must = answer(last, other)
            asked = pick(rng, _OTHER, held_out=held_out, name=other.name)
            found.append(Exchange(f"follow_{last}", asked, reply, must, other.name))
            item = other
        else:
            found.append(again(rng, kind, item, held_out=held_out))
    return tuple(found)


def after_comparing(rng: random.Random) -> tuple[Exchange, ...]:
    """Two products compared, then a question about the other one."""
    first, second = rng.sample([product for product in products() if product.name not in held_out_products()], 2)
    reply = compared(first, second)
    before = Exchange("compare", pick(rng, _COMPARE, a=first.name, b=second.name), reply, (), first.name)
    cheap, dear = (first, second) if first.cents <= second.cents else (second, first)
    kind = rng.choice(("origin", "taste", "storage", "pairing", "size", "describe"))
    which, item = rng.choice((("the cheaper one", cheap), ("the other one", dear), ("the more expensive one", dear)))
    asked = pick(rng, PHRASINGS[kind], name="{name}").replace("the {name}", which).replace("your {name}", which)
    said, must = answer(kind, item)
    return before, Exchange(f"follow_{kind}", asked.replace("{name}", which), said, must, item.name)


def after_recommending(rng: random.Random) -> tuple[Exchange, ...]:
    """A recommendation, then a question about it or about another shelf."""
    first, second = rng.sample(CATEGORIES, 2)
    best = favourite(first.name)
    asked = pick(rng, _RECOMMEND, one=first.name, many=first.plural)
    before = Exchange("recommend", asked, recommended(first.name), (best.name,), best.name)
    roll = rng.random()
    if roll < 0.4:
        return before, cheaper(rng, best)
    if roll < 0.7:
        return before, again(rng, rng.choice(("storage", "pairing", "size", "origin")), best)
    words = ("[And|What about|How about] [a|] {one}?", "And [which|what] {one}?", "[And|] a {one}?")
    other = favourite(second.name)
    return before, Exchange(
        "follow_recommend", pick(rng, words, one=second.name), recommended(second.name), (other.name,), other.name
    )
