"""The made-up artisanal food shop: a few hundred products, the same on every machine.

A product's storage follows from its category, its pairing from its noun and its taste from its adjective, so that a
model can carry them over to a product it has hardly seen; price and origin are arbitrary and must be remembered.
"""

import random
from dataclasses import dataclass
from functools import cache

ORIGINS = (
    "Tuscany", "Provence", "Andalusia", "Crete", "Bavaria", "Normandy", "Sicily", "Tyrol", "Galicia", "Brittany",
    "Transylvania", "Anatolia", "Liguria", "Flanders", "Jutland", "the Alentejo", "the Black Forest", "the Pyrenees",
    "the Basque Country", "the Peloponnese", "the Jura", "the Highlands", "the Loire Valley", "the Rhine Valley",
)  # fmt: skip

TASTES = {
    "Smoked": "smoky and deep", "Sweet": "sweet and mild", "Wild": "earthy and bold", "Mountain": "fresh and herbal",
    "Chestnut": "nutty and slightly bitter", "Acacia": "light and floral", "Heather": "rich and malty",
    "Lavender": "floral and soft", "Forest": "dark and woody", "Linden": "minty and bright", "Aged": "sharp and nutty",
    "Young": "milky and gentle", "Herbed": "green and savoury", "Truffled": "earthy and rich",
    "Peppered": "hot and savoury", "Raspberry": "fruity and tart", "Apricot": "sunny and sweet",
    "Cherry": "deep and fruity", "Fig": "honeyed and soft", "Plum": "round and jammy", "Quince": "fragrant and tart",
    "Lemon": "fresh and zesty", "Basil": "green and fresh", "Garlic": "strong and savoury",
    "Rosemary": "piney and warm", "Chilli": "hot and lively", "Jasmine": "flowery and delicate",
    "Mint": "cool and clean", "Ginger": "spicy and warm", "Rose": "perfumed and soft", "Dark": "bitter and intense",
    "Milk": "creamy and sweet", "Hazelnut": "nutty and round", "Orange": "citrusy and bright",
    "Salted": "salty and crisp", "Roasted": "toasty and warm", "Spelt": "nutty and hearty", "Saffron": "fine and warm",
    "Spinach": "mild and green", "Tomato": "ripe and savoury", "Olive": "salty and fruity", "Walnut": "woody and mild",
    "Spiced": "warm and aromatic", "Golden": "mellow and buttery",
}  # fmt: skip


@dataclass(frozen=True)
class Category:
    """A shelf of the shop: what its products share."""

    name: str
    plural: str
    unit: str
    storage: str
    lowest: int
    highest: int
    adjectives: tuple[str, ...]
    nouns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Product:
    """One product; the price is in cents."""

    name: str
    category: Category
    noun: str
    cents: int
    origin: str
    taste: str
    pairing: str

    @property
    def many(self) -> bool:
        """Whether the name is a plural, such as "Smoked Almonds"."""
        return self.noun in ("Truffles", "Almonds", "Cashews", "Crackers", "Pistachios")

    @property
    def price(self) -> str:
        """The price in the plain manner, such as "12.50 euros"."""
        return f"{self.cents // 100}.{self.cents % 100:02d} euros"


CATEGORIES = (
    Category("spice", "spices", "a tin of 80 grams", "in a dry and dark place", 250, 900,
             ("Smoked", "Sweet", "Wild", "Mountain", "Golden", "Roasted"),
             (("Paprika", "roasted potatoes and grilled fish"), ("Pepper", "steak and fresh strawberries"),
              ("Sea Salt", "ripe tomatoes and boiled eggs"), ("Curry Powder", "rice and red lentils"))),
    Category("honey", "honeys", "a jar of 250 grams", "at room temperature and away from sunlight", 600, 1600,
             ("Chestnut", "Acacia", "Heather", "Lavender", "Forest", "Linden", "Mountain"),
             (("Honey", "soft cheese and warm bread"), ("Honeycomb", "yoghurt and fresh pears"),
              ("Mead", "roast duck and blue cheese"))),
    Category("cheese", "cheeses", "a piece of 300 grams", "in the fridge, wrapped in paper", 700, 1900,
             ("Aged", "Young", "Smoked", "Herbed", "Truffled", "Peppered"),
             (("Gouda", "mustard and rye bread"), ("Goat Cheese", "beetroot and walnuts"),
              ("Brie", "grapes and a crisp baguette"), ("Pecorino", "pears and broad beans"))),
    Category("preserve", "preserves", "a jar of 220 grams", "in the fridge once it is open", 350, 800,
             ("Raspberry", "Apricot", "Cherry", "Fig", "Plum", "Quince", "Orange"),
             (("Jam", "toast and pancakes"), ("Chutney", "cold meat and curry"), ("Jelly", "scones and cream"))),
    Category("oil", "oils", "a bottle of 500 millilitres", "in a cool and dark cupboard", 900, 2400,
             ("Lemon", "Basil", "Garlic", "Rosemary", "Chilli", "Truffled"),
             (("Olive Oil", "salads and white fish"), ("Rapeseed Oil", "roast vegetables and popcorn"),
              ("Vinegar", "green leaves and lentils"))),
    Category("tea", "teas", "a bag of 100 grams", "in an airtight tin", 450, 1300,
             ("Jasmine", "Mint", "Ginger", "Rose", "Lemon", "Mountain", "Spiced"),
             (("Tea", "butter biscuits and lemon cake"), ("Green Tea", "rice cakes and sushi"),
              ("Rooibos", "apple pie and honey"))),
    Category("chocolate", "chocolates", "a box of 150 grams", "at 16 degrees in a dry place", 300, 1400,
             ("Dark", "Milk", "Hazelnut", "Orange", "Salted", "Raspberry"),
             (("Chocolate Bar", "espresso and red wine"), ("Truffles", "strong coffee and port"),
              ("Nougat", "dessert wine and dried figs"), ("Fudge", "black tea and vanilla ice cream"))),
    Category("pasta", "pastas", "a pack of 500 grams", "in a dry cupboard", 280, 750,
             ("Spelt", "Saffron", "Spinach", "Tomato", "Lemon", "Chilli"),
             (("Tagliatelle", "butter and sage"), ("Penne", "tomato sauce and olives"),
              ("Orzo", "feta and roast peppers"))),
    Category("sauce", "sauces", "a jar of 190 grams", "in the fridge for up to five days once it is open", 380, 990,
             ("Basil", "Walnut", "Tomato", "Olive", "Chilli", "Garlic"),
             (("Pesto", "pasta and fresh mozzarella"), ("Tapenade", "crackers and baked fish"),
              ("Mustard", "sausages and potato salad"), ("Relish", "burgers and cold beef"))),
    Category("snack", "snacks", "a bag of 200 grams", "in a closed bag and away from heat", 320, 980,
             ("Smoked", "Salted", "Roasted", "Spiced", "Rosemary", "Golden"),
             (("Almonds", "sherry and hard cheese"), ("Cashews", "cold beer and mango"),
              ("Crackers", "soft cheese and grapes"), ("Pistachios", "dates and sparkling wine"))),
)  # fmt: skip


def _price(rng: random.Random, category: Category) -> int:
    """A price within the category's range that ends as shop prices end."""
    euros = rng.randrange(category.lowest // 100, category.highest // 100 + 1)
    return max(category.lowest, euros * 100 + rng.choice((0, 20, 40, 50, 60, 80, 90)))


@cache
def products() -> tuple[Product, ...]:
    """Every product of the shop, in a fixed order."""
    rng = random.Random("the shop")
    found: list[Product] = []
    for category in CATEGORIES:
        for noun, pairing in category.nouns:
            for adjective in category.adjectives:
                cents, origin = _price(rng, category), rng.choice(ORIGINS)
                name = f"{adjective} {noun}"
                found.append(Product(name, category, noun, cents, origin, TASTES[adjective], pairing))
    return tuple(found)


@cache
def held_out_products() -> frozenset[str]:
    """Names of the products whose taste, pairing, storage and size are never asked for in training."""
    return frozenset(product.name for product in products()[7::11])


@cache
def shelf(category: str) -> tuple[Product, ...]:
    """The products of one category."""
    return tuple(product for product in products() if product.category.name == category)


@cache
def favourite(category: str) -> Product:
    """The product that the shop recommends on one shelf."""
    known = [product for product in shelf(category) if product.name not in held_out_products()]
    return known[len(category) % len(known)]
