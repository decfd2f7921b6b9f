"""Word lists: everyday English, names, emoji, currencies, registers. Only data; `randomtext` draws from them."""

_COMMON = """
able about above accept across act active add admire adventure afternoon again age agree air all almost alone along
already also always amazing among ancient angel angry animal answer any apple april arm army around arrive art as ask
asleep autumn award away baby back bad bag bake baker ball balloon banana band bank bar barn basket bath battle beach
bean bear beautiful because become bed bee before begin behind believe bell below bench best better between big bird
birthday bit black blanket bless blossom blow blue board boat body bold book border born bottle bottom bow bowl box boy
branch brave bread break breakfast breeze bridge brief bright bring broad brother brown brush bucket build bun burn bus
busy butter button buy by cabin cake calm camel camera camp can candle captain car card care carry cart castle cat catch
cause celebrate centre certain chain chair chalk chance change charm chat cheap cheer cheerful cherish chicken child
choice choose church circle city clap class clean clear clever climb clock close cloth cloud clover coach coast coat
coffee coin cold collect colour come comfort common companion cook cool copper coral corner cosy cotton count country
courage course cousin cover craft crane cream create crisp cross crow crowd crown cruise cup curious current curtain
customer cute daily daisy dance dark date daughter dawn day deal dear december deep deer delight deliver desert desk
diamond different dinner dish distance do doctor dog dolphin door double down dragon draw dream dress drift drink drive
drop drum dry duck dusk dust each eager eagle ear early earth east easy eat edge egg eight either elbow elegant elephant
end energy engine enjoy enough enter equal even evening ever every exact example excellent except expect express eye
face fact fair faith fall family famous fan far farm fast father favourite feast feather february feel fellow fence
fern festival few field fiddle fill final find fine finger finish fire first fish five flag flame flavour flight float
floor flour flow flower fly folk follow food foot for forever forget fork form forward fountain four fox free fresh
friday friend friendly frog from front frost fruit full fun funny future galaxy game garden gate gather gentle gift
giraffe
girl give glad glass globe glorious glow glove go goat gold good goodbye goose grace grain grand grape grass grateful
gravity great green greet grey ground group grow guard guess guest guide guitar habit hair half hall hammer hand happen
happy harbour hard harvest hat have hawk head health hear heart heat heaven heavy hedge hello help hen here hero hidden
high hill history hold holiday home honest hope horse host hot hotel hour house how huge human humble hundred hungry
hurry ice idea if important indeed inside instead into invite iron island it ivory jacket january jewel join joke
jolly journey joy juice july jump june jungle just keen keep kettle key kick kind king kingdom kiss kitchen kite kitten
knee knife knock know lab ladder lake lamb lamp land language lantern large last late laugh lazy leaf learn leather
leave left lemon lend lesson let letter level library lift light like lily lion lip list listen little live lively log
long look lot loud love lovely low loyal luck lucky lunch machine magic mail main make mango many map maple march mark
market marvel master match matter may maybe meadow meal mean measure meet melody melon member memory merry message metal
middle midnight might mile mill mind minute mirror miss mist mix modern moment monday money monkey month moon more
morning moss most mother mountain mouse mouth move much muffin music must myself name narrow nature near neat neck need
needle neighbour nest never new news next nice night nine noble noise noon north nose not note nothing november now
number nut oak ocean october of off offer office often oil old on once one onion only open or orange orchard order other
our out oven over owl own pack page paint pair palace pan panda paper parade parcel park parrot part party pass past
path patient peace peach peacock pear pearl pen penguin people pepper perfect perhaps person phone piano picnic picture
piece pig pilot pine pink pipe place plain plan planet plant plate play pleasant please pleasure plenty plum pocket poem
point polite pond pony poor port possible postcard pot potato powder power practice present press pretty price pride
prince promise proud pumpkin puppy pure purple push puzzle quality quarter queen quest question quick quiet quilt quite
rabbit race radio rain rainbow raise rare rather raven reach read ready real reason receive recipe red regards remain
remember rest return ribbon rice rich ride right ring ripe rise river road robin rock rocket roll roof room root rope
rose round row royal rule run sad safe sail salad salt same sand saturday sauce save say scarf school science sea season
seat second secret see seed seldom send september serve service seven several shade shadow shape share sharp sheep shell
shine ship shirt shoe shop shore short shoulder show shy side sign silent silk silver simple sing sister sit six size
skill skin sky sleep slow small smart smell smile smooth snail snow so soap soft some son song soon soul sound soup
south space spark speak special spice spider spirit splendid spoon spring square squirrel stable stand star start
station stay steady steam steel step still stone stop store storm story strange straw stream street string strong sugar
summer sun sunday sunny sunrise sure surprise swan sweet swift swim table tail take talk tall taste tea teach team tell
temple ten tender tent terrific than thank thanks that the their them then there these thick thin thing think third this
thought thousand three through thunder thursday ticket tide tiger time tin tiny to today together tomorrow tonight too
top touch toward tower town toy train travel treasure treat tree trip true trust truth try tuesday tulip tune turn
turtle twelve twenty twice twin two ugly umbrella uncle under unicorn until up upon us useful usual valley value van
velvet very victory village violet violin visit voice wagon wait walk wall walnut want warm wash watch water wave way we
weather wednesday week welcome well west whale what wheat wheel when where which while whisper white who whole why wide
wild willow wind window wine wing winter wise wish wishes with within without wizard wolf wonder wonderful wood wool
word
work world worth write year yellow yes yesterday yet yoghurt you young your zebra zero zone
"""

_FORMAL = """
accordingly account acknowledge additional advise apologies appreciate appropriate arrange assistance assure attached
available behalf clarify committed complete concern concerning confirm consider contact convenience cordially delighted
department details disposal enquiry ensure esteemed faithfully forwarded further gladly gratitude guarantee herewith
hesitate immediately inconvenience inform information kindly management obliged occasion opportunity patience patronage
personally pleased policy previous privilege promptly provide purchase reference regarding regret remaining request
require respectfully response satisfaction sincerely situation solution sorry suggest support therefore truly
understanding unfortunately usually valued
"""

_CASUAL = """
ahoy aloha arr awesome bonjour boom bravo brilliant buddy bye cheers chill ciao cool crew dude epic fab folks gotcha
greetings groovy ha heya hiya hooray howdy huh kudos lads legend lol mate matey nah nope oh ok okay oops peace peeps
servus sup super sweet ta tada toodles ugh vibes whoa woof wow ya yay yep yo yum yummy zing
"""

_FIRST_NAMES = """
Aaliyah Agnes Alejandro Amara Anaïs Anselm Asha Beatrix Björn Bogdan Chidi Clara Daisuke Dimitri Eleni Emeka Fatima
Fiona François Giulia Gülay Hana Henrik Ingrid Ivana Jakub João Kavita Kwame Lars Leila Ludmila Mateo Mei Mikołaj Nadia
Ngozi Olga Oskar Paolo Priya Quentin Rafael Renée Sanjay Siobhán Søren Tariq Thandi Uma Valentina Wanjiru Xavier Yasmin
Yuki Zoë Anna Ben Carol David Emma Frank George Helen James Kate Laura Maria Nick Paul Rita Sam Tom
"""

_FOODS = """
Mango Banana Salmon Tuna Beef Chicken Pork Bacon Bread Butter Cream Milk Egg Rice Bean Lentil Carrot Potato Onion Leek
Kiwi Melon Papaya Coconut Vanilla Caramel Maple Pumpkin Peanut Almond Pecan Cinnamon Cardamom Turmeric Oregano Thyme
Coriander Fennel Celery Cucumber Beetroot Radish Kale Cabbage Broccoli Avocado Artichoke Asparagus Mushroom Caviar Crab
Lobster Shrimp Oyster Sausage Ham Salami Chorizo Feta Mozzarella Cheddar Parmesan Camembert Ricotta Yoghurt Kefir Tofu
Tempeh Seitan Quinoa Couscous Bulgur Oats Muesli Granola Cereal Pancake Waffle Croissant Bagel Baguette Muffin Brownie
Cookie Biscuit Cake Pie Tart Pudding Custard Gelato Sorbet Lemonade Cola Juice Coffee Espresso Cocoa Matcha Wine Beer
Cider Whisky Rum Vodka Gin Liqueur Syrup Molasses Marmalade Ketchup Mayonnaise Wasabi Miso Soy Sriracha Tabasco Hummus
Falafel Kimchi Sauerkraut Pickle Caper Anchovy Sardine Herring Mackerel Trout Duck Goose Turkey Venison Rabbit Lamb Veal
Dumpling Noodle Ramen Sushi Pizza Lasagne Spaghetti Macaroni Gnocchi Ravioli Risotto Paella Taco Burrito Nachos Popcorn
Pretzel Chips Wafer Toffee Liquorice Marshmallow Jellybean Grapefruit Lime Peach Pear Nectarine Grape Blueberry
Blackberry Cranberry Gooseberry Elderberry Pomegranate Dragonfruit Lychee Guava Date Raisin Sultana Prune Sesame Poppy
Sunflower Flax Chia Hemp Soap Candle Perfume Shampoo Blanket Mug Knife Basket Towel Bicycle Lamp Toothpaste Battery
"""

COMMON = tuple(_COMMON.split())
FORMAL = tuple(_FORMAL.split())
CASUAL = tuple(_CASUAL.split())
FIRST_NAMES = tuple(_FIRST_NAMES.split())
FOODS = tuple(_FOODS.split())

CURRENCIES = ("€", "$", "£", "¥", "₹", "EUR", "USD", "GBP", "CHF", "SEK", "euros", "euro", "dollars", "pounds",
              "francs",
              "crowns", "yen", "kr", "zł", "cents")  # fmt: skip

EMOJI = tuple(
    "😀😁😂😃😄😅😆😉😊😋😍😎😘🙂🤗🤔😴😢😭😡👍👎👋🙏👏💪🎉🎁🎂🎈🌟⭐✨🔥❤💚💙💛🌸🌻🌷🌹🌿🍀🍁"
    "🍄🍎🍊🍋🍌🍇🍓🍒🍑🍍🍅🥕🌶🧀🍞🥖🥐🍕🍝🍯🍫🍪🍰☕🍵🍷🍺🐝🐶🐱🦊🐻🐼🦁🐸🦉🐙🐢🐬🌍🌙☀🌈⚡❄"
    "🌊⛵🚀🚲🚚📦🛒💶💡📣✅❌➡★♥♪"
)

SIGN_OFFS = (
    "Have a lovely day!", "Kind regards, your shop team", "Warm wishes from all of us!", "Yours faithfully,",
    "Best wishes from the counter.", "See you soon!", "Thank you for shopping with us.", "Take care, friend.",
    "Cheers, mate!", "With love from the kitchen", "Enjoy every bite!", "Bon appétit!", "Stay hungry, my friend.",
    "Anything else?", "Is there anything else I can do for you?", "Your obedient servant,", "Over and out.",
    "Peace and pasta!", "We are happy to help.", "Ask me anything.", "Tschüss und bis bald!", "Hasta luego!",
)  # fmt: skip

MARKS = (".", "!", "?", "...", ":", ";", ",", " -", " --", "!!", "?!", " ~", " *", " #", " |", "/", " =>", " >>", "'",
         '"',
         ")", "]", "}", " &", " +", " =", " %", " @", " _", "^", "\\", "`", "<", ">", "§", "°", "…", "–", "—", "•",
         "¡", "¿")  # fmt: skip

ALPHABETS = ((0x21, 0x7E), (0xA1, 0xFF), (0x100, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x64A),
             (0x905, 0x939), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x4FFF), (0xAC00, 0xAE00), (0x2190, 0x21FF),
             (0x2600, 0x26FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6C0))  # fmt: skip
