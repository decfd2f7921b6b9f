"""Small talk, what-can-you-do, and saying that a product is not known."""

import random

from ftchat.starter.dialogue import Exchange
from ftchat.starter.phrasing import pick
from ftchat.starter.product_words import PHRASINGS
from ftchat.starter.randomtext import RandomText
from ftchat.starter.shop import CATEGORIES, TASTES, products
from ftchat.starter.words import COMMON, FIRST_NAMES, FOODS

ABLE = "I can help you with our products, your orders and our shop, and I can rewrite a text for you."
_WHO = "I am the assistant of a small food shop. I am a small practice model."

TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (("[Hello|Hi|Hey|Hallo|Hiya|Howdy][!|.||, there|, there!| there!| you!| again!]", "Good [day|afternoon][.|!|]",
     "Greetings[!|.]", "[hi|hello|hey|heya|yo]", "[Hello|Hi], [my friend|dear assistant|shop|everyone][!|.]",
      "[Anybody|Is anyone|Anyone] [there|home|here]?", "[Nice|Good|Pleased] to [meet|see|talk to] you[!|.]",
      "[Hello|Hi|Hey] [to you|everybody|again|my friend|dear shop|you lovely people][!|.|]",
      "[It is me|I am back|Here I am|Knock knock][!|.]", "[Welcome|Salutations|G'day|Hullo|Ahoy][!|.]",
      "[Can|Could] we [talk|chat]?", "[Wake up|Are you awake|Are you online|You there][?|!]",
"[Nice|Good|Pleased|Great] to [meet|see|talk to] you[!|.]",
"[Hello|Hi|Hey] [to you|everybody|again|my friend|dear shop|you lovely people|from me][!|.|]",
"[It is me|I am back|Here I am|Knock knock|Just saying hello][!|.]",
"[Welcome|Salutations|G'day|Hullo|Ahoy|Heya][!|.]", "[Can|Could] we [talk|chat] [a bit|]?",
"[Are you awake|Are you online|You there|Someone here][?|!]", "Hi there!"), "Hello! How can I help you?"),
    (("Good morning[!|.|]", "Morning[!|]", "[A very|A] good morning[!|to you!|]",
     "good morning [shop|everyone|there]", "[Wishing you|Have|I wish you] a [good|lovely|nice] morning[!|.]",
     "[Hello and|Hi,] good morning[!|.|]", "Top of the morning!"), "Good morning! How can I help you?"),
    (("Good evening[!|.|]", "Evening[!|]", "[A|A very] good evening[!|to you!|]",
     "good evening [shop|everyone|there]", "Hello and good evening."), "Good evening! How can I help you?"),
    ((
     "How [are you|are you doing|are you today|is it going|do you do|are things|have you been|is life|is your day|'s"
     " it going]?", "Are you [well|fine|OK|happy]?", "How do you feel [today|]?", "What's [up|new|going on]?",
     "You [all right|OK]?",
      "[Did you sleep well|Having a good day|Everything good]?", "[I hope you are|Hope you're] [well|fine|good].",
      "[How's|How is] everything?", "[How are things|How goes it|All good|What's happening]?",
      "[Are you having|Do you have] a good [day|time|week]?",
        "[How|And how] [are you feeling|do you feel|are you getting on|is it with you] [today|this morning|]?",
        "[Is|Are] [everything|things|you] [all right|fine|in order|good] [with you|there|today]?",
        "[What|How] about you, [are you well|how are you]?", "How is your day going so far?"),
        "I am well, thank you. How can I help you?"),
    (("Thank you[!|.| very much!| so much!| a lot.|]", "Thanks[!|.| a lot.| a million!| so much!|]",
     "[Great|Perfect|Super|OK|Good|Nice|Cool], [thanks|thank you][.|!]", "Many thanks[!|.]", "thx",
     "[Thanks|Thank you] for [your help|the help|helping|that|everything|the information].",
      "[Cheers|Much obliged|I appreciate it|That is very kind|Very kind of you][!|.]",
      "[That|This] [helps|helped|was helpful|is all I needed][,| a lot,] [thanks|thank you].",
      "[You have|You've] been [very|most] [helpful|kind].",
      "[I thank you|Thanks again|Thanks, bye|Merci|Danke|Gracias][!|.]",
        "[Brilliant|Lovely|Wonderful|Awesome|Excellent|Sweet], [thank you|thanks|cheers][.|!]",
        "[I am|We are] [very|so|really] [grateful|thankful][.|!]",
        "[Good to know|That is good to know|That is all I wanted to know], [thanks|thank you][.|!]",
        "[You|That] [saved my day|helped me a lot|was a great help][.|!]",
        "[Thanks|Thank you] [ever so much|kindly|indeed|for your time|for your patience|for explaining][.|!|]",
        "Much appreciated!"), "You are welcome!"),
    (("[Bye|Goodbye|Bye bye|Ciao|Cheerio|So long][!|.|]",
     "[See you|See you later|See you soon|Until next time|Talk to you later|Take care][!|.]", "Good night[!|.]",
     "I [have to|must|need to] go[.| now.]", "[That is all|That was all|I am done|That's it], [bye|goodbye|see you].",
      "Have a [nice|good|lovely] [day|evening|weekend][!|.]", "[Catch|See] you [around|tomorrow|next week|then][!|.]",
      "[That will be all|No more questions|Nothing else|I have no more questions][, thanks|, thank you|][.|]",
      "[Farewell|Adieu|Cheers, bye|bye for now|Have fun|So, goodbye][!|.]",
        "[It is late|I must sleep|My bus is coming|Dinner is ready], [bye|goodbye|I have to go][.|!]",
        "[Until|See you|Till] [tomorrow|next time|Monday|then|we meet again][!|.]",
        "[I am|I'm] [off|going|leaving|out][.|!| now.]",
        "[Nice talking to you|It was nice to talk|Good talk], [bye|goodbye|see you][.|!]", "I am leaving now."),
        "Goodbye, and see you soon!"),
    (("[Who|What] are you?",
     "Are you [a robot|human|a bot|a real person|an AI|a machine|a person|alive|a computer|ChatGPT|real]?",
     "What is your name?", "[Introduce|Present] yourself.", "Tell me [about|something about|who you are,] yourself.",
     "[Who|What] am I [talking|speaking|chatting] [to|with]?",
      "Do you have a name?", "What should I call you?", "What kind of [assistant|model|bot] are you?",
      "[Who|What company] [made|built|trained|created] you?", "What's your [name|job]?", "How big is your model?",
      "[Who|What] is [this|there|speaking|answering]?", "[Do you|Can you] [think|have a face|exist|have a heart]?",
      "[Are|Is] [you|this] [some kind of|a kind of|] [machine|software|program|language model|neural network]?",
      "Say who you are.", "[What|Which] model are you?",
        "[Which|What kind of] [being|thing|creature|program] are you?",
        "[May|Can] I [know|ask] [who you are|your name|what you are]?",
        "[Who|What] [is|am I dealing with|stands] behind this [chat|answer|]?",
        "[Tell|Explain to] me [who|what] you are.",
        "[You|You are] [a bot|not human|just a program|a robot], [right|are you not|correct]?",
        "Am I talking to a person or a machine?"), _WHO),
    (("What can you [do|help me with|answer|tell me]?", "What do you do?", "[Help|help me|HELP][!|]",
     "How can you [help|assist|be of help to] me?", "What are you [able to do|good at|for|capable of]?",
     "What [should|can|could] I ask you?", "What do you know [about|]?",
      "What are your [skills|abilities|talents|features]?", "How does this work?",
      "[What questions|Which questions] can you answer?", "What is this?", "I need [help|some help|your help].",
      "Can you help me?", "[Show me|Tell me|List] what you can do.",
      "What are you here for?", "How do I use [this|you]?",
      "[In what way|With what|How] [can|could|might] you [help|support|assist] me?",
      "[What|Which] [topics|things|subjects] [do you know|can you handle|are you trained for]?",
      "[What|How] [is your purpose|are you useful|do I start]?",
      "[I am lost|I do not know what to do|Where do I start|No idea what to ask].",
      "[Which|What] [services|kind of help] do you offer?", "[Options|Menu|Commands|Instructions][?|]",
        "[Explain|Describe] [your abilities|what you can do|how you work].",
        "[What|Which] [things|jobs|tasks|problems] can you [do|solve|take over|help with] [for me|]?",
        "[Why|For what] [should I use|would I need|are] you?",
        "[I am new|First time here|Never used this]. [What can you do|How does it work|What can I ask]?",
        "[What|Anything] [else|more|] can you [do|answer|offer]?", "Give me some examples of what I can ask."), ABLE),
    (("What do you sell?", "What can I [buy|get|order] [here|from you|in your shop]?", "What is in your shop?",
     "[What|Which] [products|things|goods|food] do you [have|sell|offer]?", "What kind of [shop|store] is this?",
     "What is your [range|selection|assortment]?", "[Show|Tell] me what you sell.",
      "Which [categories|kinds of products|sorts of food] do you have?", "What do you offer?",
      "[List|Name] your products.", "Do you sell [food|groceries]?",
      "[What|Which] [groups|types|sorts] of products [are there|do you sell|can I find]?",
      "[Give|Show] me [an overview|a summary] of your [shop|products|range|goods].",
      "[What|Which] [goodies|delicacies|specialities|treats|articles] [do you have|are there]?",
      "What [all|else|exactly] do you sell?", "I want to [buy|see] something. What is there?",
        "[Which|What] [is it you|exactly do you|all do you] [sell|offer|have]?",
        "[Could|Can] you [list|tell me|name] [all|] your [categories|product groups|departments|products]?",
        "[What|Which] [food|foods] [do you have|can one get|is there] [here|]?",
        "[What|Anything] [can|could] [one|you|we] [find|get|eat] in [your|the] shop?", "What is on your shelves?"),
     "We sell spices, honeys, cheeses, preserves, oils, teas, chocolates, pastas, sauces and snacks."),
    (("You are [great|very helpful|the best|nice|kind|wonderful|smart|awesome|cool|funny|good][!|.]",
     "[Well done|Good job|Nice work|Bravo|Excellent|Perfect|Wonderful|Fantastic|Amazing][!|.]",
     "That was [helpful|great|perfect|useful|nice|quick][.|!]", "I like you[.|!]",
     "I [love|like] [this|your answers|talking to you|it].",
      "[That is|That's] [great|good|perfect|nice|what I wanted][.|!]",
      "[Good|Great|Nice|Smart|Clever|Super] [answer|bot|reply|assistant|work][!|.|]",
      "[I am|We are] [very|really|] [impressed|happy with you|pleased|satisfied][!|.|]",
      "[You know|You have] [a lot|good answers|everything]!",
      "[What a|Such a] [good|great|nice] [answer|help|assistant][!|.]",
      "[You make me|That makes me] [happy|smile][.|!]", "You did very well."),
      "Thank you, I am glad to help!"),
    (("You are [wrong|mistaken|lying|stupid|useless|an idiot][.|!]",
     "[That is|That's|This is] [not right|false|wrong|incorrect|not true|nonsense|not what I asked][.|!]",
     "No, [this|that] is [incorrect|wrong|not right].", "You made [a mistake|an error][.|!]",
     "[Wrong|False|Nonsense|Incorrect|Bad answer|Not good][!|.]",
      "I do not believe you.", "Your answer is [bad|wrong|not helpful].",
      "[That|This] [cannot|can't] be [right|true|correct].",
      "[You|I think you] [misunderstood|got it wrong|got me wrong|are mixing things up|confused that].",
      "[I|We] [disagree|doubt that|do not agree][.|]",
      "[It|That] is [not correct|a mistake|an error|not what I meant|nonsense].",
      "[Your|The] [last|] [answer|reply] [was|is] [wrong|false|useless|incorrect].",
      "[Check|Look] again, [that|this] is [wrong|false].", "That was not a good answer."),
      "I am sorry. Please tell me what is right, and I can be corrected."),
    ((
     "[Ok|Okay|OK|I see|Fine|Yes|No|Hmm|Sure|Right|Alright|Aha|Cool|Good|Nice|Got it|Understood|Maybe|Yeah|Nope"
     "|Well][.||!]", "[All right|No problem|I understand|That makes sense|No thanks|Not yet|Let me think][.|]",
     "ok then", "never mind", "fair enough", "[I will|Let me] [think about it|see|come back later|consider it][.|]",
     "[Interesting|Good to hear|I understand now|Clear|Noted|Great to know][.|!]",
     "[Yes|No], [that is fine|that is OK|it is fine|not now][.|]", "[Sounds|That sounds] [good|fine|great][.|!]",
     "[Oh|Ah|Mhm|Uh huh|Yep|Okey dokey][.|!|]", "[Whatever|If you say so|So be it|Good then][.|]", "As you say."),
     "All right. Is there anything else I can do for you?"),
)  # fmt: skip


def talk(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Greetings, thanks and questions about the assistant itself."""
    phrasings, reply = rng.choice(TALK)
    return Exchange("small_talk", pick(rng, phrasings, held_out=held_out), reply, (reply,))


def unknown_name(rng: random.Random) -> str:
    """A name that could be a product's, and is none: most share a word with one that is."""
    text = RandomText(rng)
    nouns = [noun for category in CATEGORIES for noun, _ in category.nouns]
    roll = rng.random()
    if roll < 0.4:
        first, last = rng.choice(FOODS), rng.choice(nouns)
    elif roll < 0.65:
        first, last = rng.choice(tuple(TASTES)), rng.choice(FOODS)
    elif roll < 0.8:
        first, last = rng.choice(COMMON), rng.choice((*nouns, *FOODS))
    else:
        first, last = rng.choice(COMMON), rng.choice((rng.choice(COMMON), text.made_up()))
    name = f"{first} {last}".title()
    return unknown_name(rng) if name in {product.name for product in products()} else name


_NOT_SOLD = (
    *(asked for kind in ("price", "describe", "origin", "sold", "buy", "pairing", "storage") for asked in PHRASINGS[
        kind][:-1]),
    "What goes well with the {name}, if you sell it?",
)  # fmt: skip


def not_sold(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Asked for something that is no product of this shop."""
    name = unknown_name(rng)
    prompt = pick(rng, _NOT_SOLD, held_out=held_out, name=name)
    reply = f"I do not know a product with the name {name}."
    return Exchange("not_sold", prompt, reply, ("I do not know", name), name)


def introduced(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Somebody says a name, which the reply says back."""
    name = RandomText(rng).name() if rng.random() < 0.6 else rng.choice(FIRST_NAMES)
    prompt = pick(rng, (
        "My name is {name}[.|]", "[I am|I'm] {name}[.|]", "[Hi|Hello|Hey], [I am|I'm] {name}[.|!]",
        "[Hello|Hi], my name is {name}.", "This is {name}.",
        "[Please|] call me {name}.", "{name} [here|is my name|speaking].", "[They|People|My friends] call me {name}.",
        "You can call me {name}.",
    ), held_out=held_out, name=name)  # fmt: skip
    return Exchange("named", prompt, f"Hello {name}! How can I help you?", (name,), name)
