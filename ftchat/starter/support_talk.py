"""Customer support of the made-up shop: questions in many wordings, one plain answer each."""

import random

from ftchat.starter.dialogue import Exchange, pick_phrasing

TOPICS: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("hours", ("When are you open?", "What are your opening hours?", "When do you open?", "Are you open now?",
               "At what time do you close?", "Until when are you open today?", "How long is the shop open?"),
     "We are open from Monday to Saturday, from 9 in the morning until 6 in the evening.", ("Monday to Saturday", "9",
     "6")),
    ("sunday", ("Are you open on Sunday?", "Do you open on Sundays?", "Can I come on Sunday?", "Sunday opening hours?",
                "Is the shop open on Sundays?"),
     "We are closed on Sunday. On all other days we open at 9 in the morning.", ("closed on Sunday",)),
    ("shipping cost", ("How much is shipping?", "What does shipping cost?", "What are the delivery costs?",
                       "Do you charge for delivery?", "Is delivery free?", "What do I pay for shipping?"),
     "Shipping costs 4.90 euros. It is free for orders above 50 euros.", ("4.90 euros", "50 euros")),
    ("shipping time", ("How long does delivery take?", "How long does shipping take?", "When will my parcel arrive?",
                       "How fast do you deliver?", "How many days does delivery take?", "How soon do you ship?"),
     "Delivery takes two to four working days.", ("two to four working days",)),
    ("abroad", ("Do you ship abroad?", "Do you deliver to other countries?", "Can you send a parcel to Canada?",
                "Do you ship to France?", "Is international shipping possible?", "Do you deliver overseas?"),
     "We ship within Europe. Delivery abroad takes up to eight working days.", ("within Europe", "eight working days")),
    ("returns", ("Can I return something?", "What is your return policy?", "How do I send something back?",
                 "I want to return my order.", "How do returns work?", "Can I give a product back?",
                 "Do you take returns?"),
     "You can return unopened products within 14 days. We refund the price when they arrive.", ("14 days", "unopened")),
    ("refund", ("When do I get my money back?", "How long does a refund take?", "Where is my refund?",
                "How do I get a refund?", "When will I be refunded?"),
     "We pay a refund within five working days, in the way you paid.", ("five working days",)),
    ("payment", ("How can I pay?", "Which payment methods do you accept?", "Do you take credit cards?",
     "Can I pay by card?",
                 "Can I pay by invoice?", "What ways to pay are there?"),
     "You can pay by card, by bank transfer or in cash at the shop.", ("card", "bank transfer", "cash")),
    ("gift", ("Do you wrap gifts?", "Can you gift wrap my order?", "I need it as a present.",
     "Is gift wrapping possible?",
              "Do you offer gift wrapping?"),
     "Yes, we wrap gifts for 2.50 euros and add a card with your words.", ("2.50 euros",)),
    ("voucher", ("Do you sell vouchers?", "Do you have gift cards?", "Can I buy a voucher?",
     "How long is a voucher valid?",
                 "Are there gift vouchers?"),
     "Yes, we sell vouchers from 10 euros. They are valid for three years.", ("10 euros", "three years")),
    ("address", ("Where is your shop?", "What is your address?", "Where can I find you?", "How do I get to your shop?",
                 "In which street are you?"),
     "Our shop is at 12 Mill Lane, next to the old bridge.", ("12 Mill Lane",)),
    ("contact", ("How can I contact you?", "What is your phone number?", "Do you have an email address?",
     "Can I call you?",
                 "How do I reach you?"),
     "You can write to hello@shop.example or call us from 9 to 6.", ("hello@shop.example",)),
    ("person", ("I want to speak to a human.", "Can I talk to a person?", "Let me speak to the manager.",
                "Connect me with a real person, please.", "I want to talk to someone in charge.", "Get me a human."),
     "I will pass you on to a colleague. Please leave your phone number, and we will call you today.", ("colleague",)),
    ("allergy", ("Do you have information about allergies?", "I am allergic to nuts.", "Does this contain gluten?",
                 "Where can I find the ingredients?", "I have an allergy. What can I eat?"),
     "All ingredients are printed on the label. Please ask us before you buy if you have an allergy.", ("label",)),
    ("discount", ("Do you have discounts?", "Is there a discount code?", "Can I get it cheaper?", "Any special offers?",
                  "Do you have a sale?"),
     "We give 10 percent off for orders above 100 euros.", ("10 percent", "100 euros")),
    ("tasting", ("Can I taste before I buy?", "Do you offer tastings?", "Is there a tasting?",
     "Can I try the products?",
                 "When is the next tasting?"),
     "Yes, we offer a free tasting every Friday at 4 in the afternoon.", ("Friday",)),
    ("wholesale", ("Do you sell to restaurants?", "Do you offer wholesale prices?", "Can I order large amounts?",
                   "I run a cafe. Can I buy from you?", "Do you supply shops?"),
     "Yes, we supply restaurants and shops. Please write to us for a price list.", ("price list",)),
    ("parking", ("Where can I park?", "Is there parking?", "Do you have a car park?", "Can I come by car?",
                 "Is there a place to park?"),
     "You can park for free behind the shop for one hour.", ("behind the shop",)),
    ("pickup", ("Can I pick up my order?", "Can I collect it in the shop?", "Do you offer pickup?",
     "Is click and collect possible?",
                "May I come and fetch my order?"),
     "Yes, you can pick up your order in the shop after two hours.", ("two hours",)),
)  # fmt: skip

ORDERS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("broken", ("My order {n} arrived broken.", "Order {n} is damaged.", "The jar in order {n} was broken.",
                "Something in my order {n} broke.", "Order {n} came with a broken bottle.",
                "My parcel {n} was damaged on the way."),
     "I am sorry that order {n} arrived damaged. We will send you a new one at no cost.", "new one"),
    ("late", ("Where is my order {n}?", "My order {n} has not arrived.", "Order {n} is late.",
     "I am still waiting for order {n}.",
              "When does order {n} arrive?", "Order {n} should have been here by now."),
     "I am sorry that you are waiting for order {n}. I will ask our shipping team today and write to you.",
     "shipping team"),
    ("wrong", ("Order {n} has the wrong product.", "You sent me the wrong thing in order {n}.",
     "I got the wrong item, order {n}.",
               "Order {n} is not what I ordered.", "There is a wrong jar in order {n}."),
     "I am sorry that order {n} has the wrong product. Keep it, and we will send you the right one.", "right one"),
    ("cancel", ("Please cancel order {n}.", "I want to cancel order {n}.", "Cancel my order {n}.",
     "Can you cancel order {n}?",
                "I no longer need order {n}."),
     "I have asked our team to cancel order {n}. You get your money back within five working days.",
     "five working days"),
    ("change", ("Can I change order {n}?", "I want to change order {n}.", "Please add something to order {n}.",
                "Order {n} has the wrong address.", "I need to correct order {n}."),
     "You can change order {n} until we ship it. Please tell us what should be different.", "until we ship it"),
)  # fmt: skip

COMPLAINTS = ("I am very unhappy with your service.", "This is terrible!", "I want to complain.", "Your shop is awful.",
              "I am really angry.", "I am not satisfied at all.", "Nobody answers my mails!",
              "I am disappointed.")  # fmt: skip


def topic(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A question with a fixed answer."""
    _, phrasings, reply, must = rng.choice(TOPICS)
    return Exchange("support", pick_phrasing(rng, phrasings, held_out=held_out), reply, must)


def order(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Trouble with an order whose number must be said back."""
    _, phrasings, reply, must = rng.choice(ORDERS)
    number = str(rng.randrange(1000, 10 ** rng.choice((4, 5, 6))))
    prompt = pick_phrasing(rng, phrasings, held_out=held_out).format(n=number)
    return Exchange("order", prompt, reply.format(n=number), (number, must))


def complaint(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Somebody is angry and says nothing else."""
    reply = "I am sorry to hear that. Please tell me what went wrong, and I will try to put it right."
    return Exchange("complaint", pick_phrasing(rng, COMPLAINTS, held_out=held_out), reply, ("sorry",))
