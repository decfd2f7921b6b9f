"""Questions about products and their plain answers."""

import random

from ftchat.starter.dialogue import Exchange, pick_phrasing
from ftchat.starter.shop import CATEGORIES, Product, favourite, held_out_products, products, shelf

PHRASINGS: dict[str, tuple[str, ...]] = {
    "price": (
        "What does the {name} cost?", "How much is the {name}?", "What is the price of the {name}?",
        "{name}, how much?",
        "Can you tell me the price of the {name}?", "How much does the {name} cost?", "Price of the {name}?",
        "What do I pay for the {name}?", "I want to buy the {name}. What does it cost?",
        "Please tell me what the {name} costs.",
        "How expensive is the {name}?", "What would the {name} cost me?", "price {name}",
        "How many euros is the {name}?",
        "What do you charge for the {name}?",
    ),
    "describe": (
        "Tell me about the {name}.", "What is the {name}?", "Describe the {name}.",
        "What can you tell me about the {name}?",
        "Give me some information about the {name}.", "I would like to know more about the {name}.", "{name}?",
        "Can you describe the {name}?", "What should I know about the {name}?", "Introduce the {name} to me.",
        "Say something about the {name}.", "What kind of product is the {name}?",
        "Tell me more about the {name}, please.",
    ),
    "origin": (
        "Where does the {name} come from?", "Where is the {name} from?", "What is the origin of the {name}?",
        "Which region does the {name} come from?", "Where do you get the {name}?", "Where is the {name} made?",
        "From which place is the {name}?", "Can you tell me where the {name} comes from?", "Origin of the {name}?",
    ),
    "storage": (
        "How should I store the {name}?", "How do I keep the {name}?", "Where should I keep the {name}?",
        "What is the best way to store the {name}?", "Does the {name} need to go in the fridge?",
        "How do I store the {name} at home?", "Storage of the {name}?", "Where do I put the {name} at home?",
    ),
    "pairing": (
        "What goes well with the {name}?", "What can I eat with the {name}?", "What does the {name} go with?",
        "What should I serve with the {name}?", "What do I pair with the {name}?", "How do I serve the {name}?",
        "Give me an idea what to have with the {name}.", "What would you combine with the {name}?",
    ),
    "taste": (
        "What does the {name} taste like?", "How does the {name} taste?", "What is the taste of the {name}?",
        "Can you describe the flavour of the {name}?", "What flavour does the {name} have?",
        "Tell me how the {name} tastes.", "What kind of taste does the {name} have?",
    ),
    "size": (
        "What size is the {name}?", "How big is the {name}?", "How much {name} do I get?",
        "In what size do you sell the {name}?",
        "What is the weight of the {name}?", "How is the {name} packed?", "Which size does the {name} come in?",
    ),
}  # fmt: skip

FOLLOW_UPS: dict[str, tuple[str, ...]] = {
    "price": ("And what does it cost?", "How much is it?", "And the price?", "What does that cost?",
              "And how expensive is it?"),
    "describe": ("Tell me more about it.", "What is it?", "And what is that?", "Can you describe it?",
                 "More about that, please."),
    "origin": ("Where is it from?", "And where does it come from?", "Which region is it from?", "And the origin?",
               "From where?"),
    "storage": ("How do I store it?", "And how should I keep it?", "Where do I keep it?", "And the storage?",
                "How is it stored?"),
    "pairing": ("What goes with it?", "And what can I serve with it?", "What do I eat with it?", "Any pairing?",
                "And with what?"),
    "taste": ("How does it taste?", "And what does it taste like?", "What about the taste?", "And the taste?",
              "Is it tasty?"),
    "size": ("What size is it?", "And how big is it?", "How much do I get?", "And the size?", "How is it packed?"),
}  # fmt: skip

ASKED = ("price", "price", "price", "describe", "describe", "origin", "storage", "pairing", "taste", "size")
CARRIED = ("storage", "pairing", "taste", "size")


def answer(kind: str, item: Product) -> tuple[str, tuple[str, ...]]:
    """The plain answer to one kind of question about a product, and what a judge looks for in it."""
    category, name = item.category, item.name
    many = item.many
    it, s = ("They", "") if many else ("It", "s")
    if kind == "price":
        return f"The {name} cost{s} {item.price}.", (name, item.price)
    if kind == "describe":
        one = f"is {'an' if category.name[0] in 'aeiou' else 'a'} {category.name}"
        first = f"The {name} {f'are {category.plural}' if many else one} from {item.origin}."
        second = f"{it} taste{s} {item.taste}, and {it.lower()} cost{s} {item.price}."
        return f"{first} {second}", (name, item.origin, item.taste, item.price)
    if kind == "origin":
        return f"The {name} come{s} from {item.origin}.", (name, item.origin)
    if kind == "storage":
        return f"Keep the {name} {category.storage}.", (name, category.storage)
    if kind == "pairing":
        return f"The {name} go{'' if many else 'es'} well with {item.pairing}.", (name, item.pairing)
    if kind == "taste":
        return f"The {name} taste{s} {item.taste}.", (name, item.taste)
    return f"The {name} come{s} in {category.unit}.", (name, category.unit)


def about(rng: random.Random, *, kind: str = "", item: Product | None = None, held_out: bool = False) -> Exchange:
    """One question about one product. Without `held_out`, only what training may show."""
    chosen = item or rng.choice(products())
    asked = kind or rng.choice(ASKED)
    if not held_out and asked in CARRIED and chosen.name in held_out_products():
        asked = rng.choice(("price", "describe", "origin"))
    prompt = pick_phrasing(rng, PHRASINGS[asked], held_out=held_out).format(name=chosen.name)
    reply, must = answer(asked, chosen)
    return Exchange(asked, prompt, reply, must)


def thread(rng: random.Random) -> tuple[Exchange, ...]:
    """A question about a product and one to three follow-ups that say "it"."""
    item = rng.choice([product for product in products() if product.name not in held_out_products()])
    kinds = rng.sample(tuple(PHRASINGS), rng.choice((2, 2, 3, 4)))
    found = [about(rng, kind=kinds[0], item=item)]
    for kind in kinds[1:]:
        reply, must = answer(kind, item)
        found.append(Exchange(f"follow_{kind}", rng.choice(FOLLOW_UPS[kind]), reply, must))
    return tuple(found)


def compare(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Which of two products is cheaper."""
    category = rng.choice(CATEGORIES)
    first, second = rng.sample(shelf(category.name) if rng.random() < 0.6 else products(), 2)
    cheap = first if first.cents <= second.cents else second
    prompt = pick_phrasing(rng, (
        "Which is cheaper, the {a} or the {b}?", "Compare the {a} and the {b}.", "Compare the {a} with the {b}.",
        "What costs less, the {a} or the {b}?", "{a} or {b}, which one is cheaper?", "Is the {a} cheaper than the {b}?",
        "The {a} or the {b}?", "Does the {a} cost less than the {b}?",
    ), held_out=held_out).format(a=first.name, b=second.name)  # fmt: skip
    is_ = "are" if cheap.many else "is"
    end = "Both cost the same." if first.cents == second.cents else f"The {cheap.name} {is_} cheaper."
    costs = [f"{item.name} {'cost' if item.many else 'costs'} {item.price}" for item in (first, second)]
    reply = f"The {costs[0]} and the {costs[1]}. {end}"
    return Exchange("compare", prompt, reply, (first.price, second.price, end))


def recommend(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """The shop's favourite of one shelf."""
    category = rng.choice(CATEGORIES)
    best = favourite(category.name)
    prompt = pick_phrasing(rng, (
        "Can you recommend a {one}?", "Which {one} do you recommend?", "What is your best {one}?",
        "I am looking for a {one}.",
        "Recommend a {one}, please.", "Which of your {many} is the best?", "I need a good {one}.",
        "Suggest one of your {many}.",
    ), held_out=held_out).format(one=category.name, many=category.plural)  # fmt: skip
    more = answer("describe", best)[0].split(". ", 1)[1]
    reply = f"I recommend the {best.name} from {best.origin}. {more}"
    return Exchange("recommend", prompt, reply, (best.name, best.price))


def on_the_shelf(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Three products of one shelf, as bullets."""
    category = rng.choice(CATEGORIES)
    shown = shelf(category.name)[:3]
    prompt = pick_phrasing(rng, (
        "Which {many} do you sell?", "What {many} do you have?", "Show me your {many}.", "List some {many}.",
        "What kinds of {one} do you have?", "Do you have {many}?", "Name three of your {many}.",
    ), held_out=held_out).format(one=category.name, many=category.plural)  # fmt: skip
    reply = f"Some of our {category.plural} are:\n" + "\n".join(f"- {item.name}" for item in shown)
    return Exchange("shelf", prompt, reply, tuple(item.name for item in shown))


def cheaper_than(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A yes or no about a price limit."""
    item = rng.choice(products())
    limit = rng.randint(2, 22)
    prompt = pick_phrasing(rng, (
        "Is the {name} cheaper than {limit} euros?", "Does the {name} cost less than {limit} euros?",
        "Can I get the {name} for under {limit} euros?", "Yes or no: is the {name} below {limit} euros?",
        "Is the {name} under {limit} euros?", "I have {limit} euros. Can I buy the {name}?",
    ), held_out=held_out).format(name=item.name, limit=limit)  # fmt: skip
    word = "Yes" if item.cents < limit * 100 or (item.cents == limit * 100 and "I have" in prompt) else "No"
    return Exchange("yes_no", prompt, f"{word}. {answer('price', item)[0]}", (f"{word}.", item.price))
