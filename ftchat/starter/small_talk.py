"""Small talk, what-can-you-do, and saying that something is not known or not sold."""

import random

from ftchat.starter.dialogue import Exchange, pick_phrasing
from ftchat.starter.randomtext import RandomText
from ftchat.starter.words import COMMON, FIRST_NAMES

ABLE = "I can help you with our products, your orders and our shop, and I can rewrite a text for you."

TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Hello!", "Hi", "Hi there!", "Hello", "Good day.", "Hey!", "hi!", "Greetings!"), "Hello! How can I help you?"),
    (("Good morning!", "Good morning", "Morning!", "A very good morning!"), "Good morning! How can I help you?"),
    (("Good evening!", "Good evening", "Evening!"), "Good evening! How can I help you?"),
    (("How are you?", "How are you doing?", "How is it going?", "Are you well?", "How do you feel today?",
      "What's up?"),
     "I am well, thank you. How can I help you?"),
    (("Thank you!", "Thanks!", "Thanks a lot.", "Thank you very much!", "Great, thanks.", "Many thanks!", "thx"),
     "You are welcome!"),
    (("Bye!", "Goodbye.", "See you!", "Good night!", "See you later.", "I have to go."), "Goodbye, and see you soon!"),
    (("Who are you?", "What are you?", "Are you a robot?", "Are you human?", "What is your name?",
      "Introduce yourself.",
      "Tell me about yourself."), "I am the assistant of a small food shop. I am a small practice model."),
    (("What can you do?", "What do you do?", "Help", "How can you help me?", "What are you able to do?", "help me",
      "What should I ask you?", "What do you know?", "What are your skills?", "How does this work?"), ABLE),
    (("What do you sell?", "What can I buy here?", "What is in your shop?", "What products do you have?",
      "What kind of shop is this?"),
     "We sell spices, honeys, cheeses, preserves, oils, teas, chocolates, pastas, sauces and snacks."),
    (("You are great!", "Well done.", "That was helpful.", "Good job!", "I like you.", "Perfect!"),
      "Thank you, I am glad to help!"),
    (("You are wrong.", "That is not right.", "That is false.", "No, this is incorrect.", "You made a mistake."),
     "I am sorry. Please tell me what is right, and I can be corrected."),
    (("Ok.", "Okay", "I see.", "Fine.", "Yes.", "No.", "Hmm."), "All right. Is there anything else I can do for you?"),
)  # fmt: skip

_OUTSIDE = (
    "What is the capital of {place}?", "Who is the president of {place}?", "How many people live in {place}?",
    "What is the weather in {place}?", "Who won the match between {place} and {place}?",
    "How tall is the highest {word}?",
    "Write a poem about a {word}.", "Write code that sorts a list of {word}s.",
    "Write a story about a {word} and a {word}.",
    "What is {a} times {b}?", "What is {a} plus {b}?", "Solve {a}x + {b} = 0.", "Translate {word} into French.",
    "How do you say {word} in Spanish?", "Explain how a {word} works.", "Why is the {word} {word}?",
    "Who invented the {word}?",
    "Who wrote the book about the {word}?", "When did the war in {place} begin?", "What is the meaning of {word}?",
    "Tell me a joke about a {word}.", "Can you sing a song about {word}?", "How do I repair my {word}?",
    "What is a {word}?",
    "How do I learn {word}?", "Should I buy {word} shares?", "Which {word} is the fastest in the world?",
    "How old is {person}?",
    "Who is {person}?", "Give me advice about my {word}.", "What does {word} mean in physics?",
    "Is there life on {word}?",
    "Book a flight to {place}.", "Play some {word} music.", "What did {person} say about {word}?",
    "Fix my {word} program.",
    "What happened in {year}?", "In which year did {person} discover the {word}?",
    "How far is it from {place} to {place}?",
    "Which medicine helps against {word}?", "Do my {word} homework.", "Plan my trip to {place}.",
    "How many {word}s fit in a {word}?",
    "Summarise the history of {place}.", "What is the square root of {a}?", "Who will win the election in {place}?",
)  # fmt: skip

_PLACES = ("France", "Peru", "Japan", "Kenya", "Norway", "Texas", "Berlin", "London", "Paris", "India", "Brazil",
           "Mars", "China",
           "Canada", "Rome", "Egypt", "New York", "Australia", "Moscow", "Poland", "Madrid", "Chile", "Iceland",
           "Vietnam")  # fmt: skip


def talk(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Greetings, thanks and questions about the assistant itself."""
    phrasings, reply = rng.choice(TALK)
    return Exchange("small_talk", pick_phrasing(rng, phrasings, held_out=held_out), reply, (reply,))


def outside(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A question about the rest of the world: the reply says what the assistant can do instead."""
    pool = _OUTSIDE[-6:] if held_out else _OUTSIDE[:-6]
    prompt = rng.choice(pool)
    while "{" in prompt:
        start, end = prompt.index("{"), prompt.index("}")
        prompt = prompt[:start] + _filled(rng, prompt[start + 1 : end]) + prompt[end + 1 :]
    return Exchange("outside", prompt, f"I do not know that. {ABLE}", ("I do not know", "products"))


def _filled(rng: random.Random, slot: str) -> str:
    """Something for a slot of an outside question."""
    if slot == "place":
        return rng.choice(_PLACES)
    if slot == "person":
        return RandomText(rng).name()
    if slot == "year":
        return str(rng.randrange(1200, 2030))
    return str(rng.randrange(2, 400)) if slot in "ab" else rng.choice(COMMON)


def not_sold(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Asked for something that is no food of this shop."""
    text = RandomText(rng)
    name = f"{rng.choice(COMMON)} {rng.choice((rng.choice(COMMON), text.made_up()))}".title()
    prompt = pick_phrasing(rng, (
        "What does the {name} cost?", "Do you sell the {name}?", "Tell me about the {name}.", "How much is the {name}?",
        "Where does the {name} come from?", "I would like the {name}.", "What goes well with the {name}?",
        "Do you have the {name}?",
    ), held_out=held_out).format(name=name)  # fmt: skip
    return Exchange("not_sold", prompt, f"I do not know a product with the name {name}.", ("I do not know", name))


def introduced(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Somebody says a name, which the reply says back."""
    name = RandomText(rng).name() if rng.random() < 0.6 else rng.choice(FIRST_NAMES)
    prompt = pick_phrasing(rng, (
        "My name is {name}.", "I am {name}.", "Hi, I am {name}.", "Hello, my name is {name}.", "This is {name}.",
        "You can call me {name}.",
    ), held_out=held_out).format(name=name)  # fmt: skip
    return Exchange("named", prompt, f"Hello {name}! How can I help you?", (name,))
